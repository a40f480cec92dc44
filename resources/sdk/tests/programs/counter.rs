//! A resource type that counts, and that misbehaves on request: `tests/protocol` runs it to verify that the SDK handles
//! misbehaving resource types.
#![allow(clippy::panic, clippy::print_stdout, reason = "it misbehaves on purpose, when it is told to")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jetway::schemars::{self, JsonSchema};
use jetway::{
    Companion, CompanionCall, CompanionOutcome, Context, Parameters, Problems, Resource, Response, Result, Secret,
    anyhow,
};
use serde::{Deserialize, Serialize, Serializer};

struct Counter;

/// Which numbers there are.
#[derive(Deserialize, JsonSchema)]
struct Source {
    /// The first number.
    #[serde(default)]
    initial: u64,

    /// The direction in which the numbers are counted.
    #[serde(default)]
    direction: Direction,

    /// The steps of the verb, in order.
    #[serde(default)]
    steps: Vec<Step>,

    /// Names for numbers.
    #[serde(default)]
    names: BTreeMap<String, u64>,

    /// A secret, for the misbehaviours that try to leak it.
    token: Option<Secret>,

    /// A program to run in every verb: its name and its arguments. It gets the token on standard input.
    #[serde(default)]
    run: Vec<String>,

    /// The seconds for which that program may write no output.
    #[schemars(range(min = 1))]
    silence_limit: Option<u32>,

    /// Whether that program cleans up when it is ended.
    #[serde(default)]
    cleans_up: bool,

    /// The misbehaviours of every verb.
    #[serde(default)]
    misbehave: Vec<Misbehaviour>,
}

/// The direction in which the numbers are counted.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Direction {
    /// To higher numbers.
    #[default]
    Up,
    /// To lower numbers.
    Down,
}

/// One step.
#[derive(Deserialize, JsonSchema)]
struct Step {
    /// The size of the step.
    by: u8,

    /// The number of repetitions.
    times: Option<u8>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Misbehaviour {
    /// Prints to standard output, with a last line without a newline. A child that inherits the descriptor does the same.
    Print,
    /// Panics, with the token in the message.
    Panic,
    /// Returns a version without a key.
    EmptyVersion,
    /// Returns a version whose value is a number.
    NumberVersion,
    /// Writes the token into a private file.
    PrivateFile,
    /// Lets a child request the token from a companion.
    Companion,
    /// Waits for the signal.
    Wait,
    /// Keeps the runtime's thread busy for a minute.
    Busy,
    /// Waits for ever, whatever the signal.
    Deaf,
    /// Waits for ever, whatever the signal, after the program in `run` has ended.
    DeafParent,
    /// Logs whether the kernel would dump its memory.
    Dumpable,
}

impl Parameters for Source {
    fn validate(&self, problems: &mut Problems) {
        if self.run.first().is_some_and(String::is_empty) {
            problems.add("run[0]", "must not be empty");
        }
        if self.steps.iter().any(|step| step.by == 0) {
            problems.add_with_hint("steps", "a step of 0 leads nowhere", "leave it out");
        }
    }
}

/// One number.
#[derive(Deserialize, JsonSchema)]
struct Version {
    /// The number.
    number: String,
    #[serde(skip)]
    broken: Option<Misbehaviour>,
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.broken {
            Some(Misbehaviour::EmptyVersion) => serializer.collect_map(None::<(&str, &str)>),
            Some(Misbehaviour::NumberVersion) => serializer.collect_map([("number", 1)]),
            _ => serializer.collect_map([("number", &self.number)]),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct GetParams {
    /// The file to write the number to.
    #[serde(default = "number")]
    file: String,
}

#[derive(Deserialize, JsonSchema)]
struct PutParams {
    /// The file in the inputs that holds the last number.
    file: String,
}

fn number() -> String {
    "number".to_owned()
}

impl Parameters for GetParams {}
impl Parameters for PutParams {}

impl Source {
    /// The number that follows.
    fn after(&self, number: u64) -> u64 {
        let far = self.steps.iter().map(|step| u64::from(step.by) * u64::from(step.times.unwrap_or(1))).sum::<u64>();
        match self.direction {
            Direction::Up => number.saturating_add(far.max(1)),
            Direction::Down => number.saturating_sub(far.max(1)),
        }
    }

    /// A version as the response contains it.
    fn version(&self, number: &impl ToString) -> Version {
        let broken = [Misbehaviour::EmptyVersion, Misbehaviour::NumberVersion];
        Version {
            number: number.to_string(),
            broken: broken.into_iter().find(|broken| self.misbehave.contains(broken)),
        }
    }

    /// Runs the misbehaviours that every verb has.
    async fn misbehave(&self, context: &Context) -> Result<()> {
        let token = self.token.as_ref().map_or("", Secret::expose);
        for misbehaviour in &self.misbehave {
            match misbehaviour {
                // These show in the version, and after the child.
                Misbehaviour::EmptyVersion | Misbehaviour::NumberVersion | Misbehaviour::DeafParent => {}
                Misbehaviour::Print => {
                    println!("printed by the program");
                    std::process::Command::new("echo").arg("printed by its child").status()?;
                    print!("without an end");
                }
                Misbehaviour::Panic => panic!("the token is {token}"),
                Misbehaviour::PrivateFile => {
                    context.private_directory().write("token", token.as_bytes())?;
                }
                Misbehaviour::Companion => {
                    context.private_directory().write("token", token.as_bytes())?;
                    let teller = TELLER.install(context.private_directory())?;
                    let told = context.command(teller).arg("an argument").run().await?.success()?;
                    context.console().step(format_args!("told: {}", told.text().replace(token, "the token")));
                }
                Misbehaviour::Wait => return Err(context.interrupt().wait().await.into()),
                Misbehaviour::Busy => {
                    context.console().step("busy");
                    let begin = std::time::Instant::now();
                    while begin.elapsed() < Duration::from_mins(1) {
                        std::hint::spin_loop();
                    }
                }
                Misbehaviour::Dumpable => {
                    let behaviour = rustix::process::dumpable_behavior();
                    context.console().step(format_args!("dumpable: {behaviour:?}"));
                }
                Misbehaviour::Deaf => {
                    context.console().step("deaf");
                    std::future::pending::<()>().await;
                }
            }
        }
        if let [program, arguments @ ..] = self.run.as_slice() {
            let mut child = context.command(program).args(arguments).relay_stdout().input(token);
            if let Some(seconds) = self.silence_limit {
                child = child.silence_limit(Duration::from_secs(seconds.into()), "`silence_limit` sets how long");
            }
            if self.cleans_up {
                child = child.cleans_up_when_terminated();
            }
            let outcome = child.run().await;
            if self.misbehave.contains(&Misbehaviour::DeafParent) {
                std::future::pending::<()>().await;
            }
            outcome?.success()?;
        }
        Ok(())
    }
}

/// A companion that prints the token.
const TELLER: Companion = Companion { name: "counter-teller", run: tell };

fn tell(call: &CompanionCall) -> Result<CompanionOutcome> {
    let token = std::fs::read_to_string(call.directory.join("token"))?;
    Ok(CompanionOutcome::Print(format!("{token} for {:?}", call.arguments).into_bytes()))
}

impl Resource for Counter {
    const NAME: &'static str = "counter";
    const ABOUT: &'static str = "Numbers, one after the other";
    const RELEASE: &'static str = "1.2.3";
    const UNSUPPORTED_KEYS: &'static [&'static str] = &["source.roman"];
    const COMPANIONS: &'static [Companion] = &[TELLER];
    type Source = Source;
    type Version = Version;
    type GetParams = GetParams;
    type PutParams = PutParams;

    async fn check(context: &Context, source: Source, version: Option<Version>) -> Result<Vec<Version>> {
        source.misbehave(context).await?;
        let Some(version) = version else { return Ok(vec![source.version(&source.initial)]) };
        let next = source.after(version.number.parse()?);
        Ok(vec![source.version(&version.number), source.version(&next)])
    }

    async fn get(
        context: &Context,
        source: Source,
        version: Option<Version>,
        params: GetParams,
        destination: &Path,
    ) -> Result<Response<Version>> {
        source.misbehave(context).await?;
        let version = version.ok_or_else(|| anyhow!("there is no version to get"))?;
        std::fs::write(destination.join(&params.file), &version.number)?;
        context.console().step(format_args!("wrote number {}", version.number));
        let name = source.names.iter().find(|(_, number)| number.to_string() == version.number);
        let response = Response::new(source.version(&version.number));
        Ok(name.iter().fold(response, |response, (name, _)| response.with("name", *name)))
    }

    async fn put(context: &Context, source: Source, params: PutParams, inputs: &Path) -> Result<Response<Version>> {
        source.misbehave(context).await?;
        let last: u64 = std::fs::read_to_string(inputs.join(&params.file))?.trim().parse()?;
        Ok(Response::new(source.version(&source.after(last))).with("previous", last.to_string()))
    }
}

fn main() -> ExitCode {
    jetway::main::<Counter>()
}
