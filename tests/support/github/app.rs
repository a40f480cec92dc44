//! GitHub Apps: the tokens that an App signs, and its installation tokens.
//!
//! By "Generating a JSON Web Token (JWT) for a GitHub App" and "Generating an installation access token for a GitHub App" of
//! GitHub's documentation; the errors are quoted in octokit/auth-app.js issue 698 (a token with a long lifetime), probot/probot
//! issue 326 (a token from the future) and tibdex/github-app-token issue 105 (a repository without the installation).

use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::schema::{Kind, body};
use super::{REPOSITORY, State, refuse};
use crate::scratch;
use crate::stand_in::{RecordedRequest, Response};

/// The id of the App's installation for the repository.
const INSTALLATION: u64 = 77;

/// An App's private key in both formats.
#[derive(Debug, Clone)]
pub struct AppKey {
    /// The format of GitHub's download: `BEGIN RSA PRIVATE KEY`.
    pub pkcs1: String,
    /// The same key: `BEGIN PRIVATE KEY`.
    pub pkcs8: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl AppKey {
    /// The key of this process, which is created once.
    pub fn new() -> Self {
        static KEY: OnceLock<AppKey> = OnceLock::new();
        KEY.get_or_init(Self::generate).clone()
    }

    /// Creates another key.
    pub fn generate() -> Self {
        let directory = scratch::directory();
        let file = directory.path().join("key");
        let keygen = |arguments: &[&str]| {
            let output =
                Command::new("ssh-keygen").args(arguments).arg("-f").arg(&file).output().expect("run ssh-keygen");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        keygen(&["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-C", ""]);
        let read = || std::fs::read_to_string(&file).expect("read the key");
        let pkcs1 = read();
        keygen(&["-q", "-p", "-m", "PKCS8", "-N", "", "-P", ""]);
        let pkcs8 = read();
        let public = std::fs::read_to_string(file.with_extension("pub")).expect("read the public key");
        let blob = STANDARD.decode(public.split_whitespace().nth(1).expect("a key")).expect("base64");
        // Three texts, each with its length before it: `ssh-rsa`, the exponent, the modulus.
        let mut rest = blob.as_slice();
        let mut next = || {
            let (length, after) = rest.split_at(4);
            let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
            let (text, after) = after.split_at(length);
            rest = after;
            text.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>()
        };
        let (_, exponent, modulus) = (next(), next(), next());
        Self { pkcs1, pkcs8, modulus, exponent }
    }

    /// The header and claims of a token, if it is valid and was signed with the key.
    pub fn verified(&self, token: &str) -> Option<(Value, Value)> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { return None };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let public = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        let signed = format!("{header}.{claims}");
        public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature)?).ok()?;
        let json = |part: &str| serde_json::from_slice(&decode(part)?).ok();
        Some((json(header)?, json(claims)?))
    }
}

impl Default for AppKey {
    fn default() -> Self {
        Self::new()
    }
}

/// An App that is installed for the repository.
pub(super) struct App {
    id: String,
    slug: String,
    key: AppKey,
}

impl App {
    pub(super) fn new(id: &str, slug: &str, key: &AppKey) -> Self {
        Self { id: id.to_owned(), slug: slug.to_owned(), key: key.clone() }
    }

    /// The login of its comments and statuses.
    pub(super) fn login(&self) -> String {
        format!("{}[bot]", self.slug)
    }

    /// Whether a token is signed by the App and currently valid.
    pub(super) fn verify(&self, token: &str) -> Result<(), String> {
        let undecoded = || "A JSON web token could not be decoded".to_owned();
        let (header, claims) = self.key.verified(token).ok_or_else(undecoded)?;
        if header["alg"] != "RS256" || header["typ"] != "JWT" || claims["iss"] != self.id.as_str() {
            return Err(undecoded());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let (from, to) = (claims["iat"].as_u64().ok_or_else(undecoded)?, claims["exp"].as_u64().ok_or_else(undecoded)?);
        if from > now {
            return Err(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
                    .to_owned(),
            );
        }
        if to <= now || to > now + 600 {
            return Err("'Expiration time' claim ('exp') is too far in the future".to_owned());
        }
        Ok(())
    }
}

/// Whether a request is authenticated as the App itself.
pub(super) fn is_for_the_app_itself(request: &RecordedRequest) -> bool {
    let path = request.path();
    path == "/app" || path.starts_with("/app/") || path.ends_with("/installation")
}

impl State {
    pub(super) fn app_itself(&mut self, request: &RecordedRequest, parts: &[&str]) -> Response {
        let Some(app) = &self.app else { return refuse(404, "Not Found") };
        match (request.method.as_str(), parts) {
            ("GET", ["app"]) => Response::json(200, &json!({ "id": 1, "slug": app.slug, "name": app.slug })),
            ("GET", ["repos", _, _, "installation"]) => Response::json(200, &json!({ "id": INSTALLATION })),
            ("POST", ["app", "installations", id, "access_tokens"]) if *id == INSTALLATION.to_string() => {
                let keys = [("repositories", Kind::Texts)];
                let body = match body(request, "Installation", &keys, 1, &mut self.problems) {
                    Ok(body) => body,
                    Err(refused) => return refused,
                };
                let (_, name) = REPOSITORY.split_once('/').expect("a name");
                if body["repositories"] != json!([name]) {
                    return refuse(
                        422,
                        "There is at least one repository that does not exist or is not accessible to the parent installation.",
                    );
                }
                let token = format!("ghs_issued{:04}SECRET", self.issued.len());
                self.issued.push(token.clone());
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
                let ends = time_at(now + 3600);
                Response::json(
                    201,
                    &json!({ "token": token, "expires_at": ends, "permissions": { "statuses": "write" } }),
                )
            }
            _ => refuse(404, "Not Found"),
        }
    }
}

/// Formats a time like GitHub. (Howard Hinnant's `civil_from_days`.)
fn time_at(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * index + 2) / 5 + 1;
    let month = if index < 10 { index + 3 } else { index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
