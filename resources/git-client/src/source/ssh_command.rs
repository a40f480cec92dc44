//! Parses `core.sshCommand` of `git_config` into a program and its options. The command runs without a shell, because
//! other keys of the source add options to it.

use std::path::Path;

use crate::source::setting::Setting;

/// The characters that are syntax for a shell.
const SHELL_SYNTAX: &str = "$`;&|<>(){}*?[]~#!\n";

/// The index and the parsed words of the last `core.sshCommand` in the settings.
pub fn of_settings(settings: &[Setting]) -> Option<(usize, Result<Vec<String>, &'static str>)> {
    let is_command = |setting: &Setting| setting.name.eq_ignore_ascii_case("core.sshCommand");
    let index = settings.iter().rposition(is_command)?;
    Some((index, parse(&settings.get(index)?.value)))
}

fn parse(command: &str) -> Result<Vec<String>, &'static str> {
    let words = words(command).ok_or(
        "must not use shell syntax when the source configures ssh (`private_key`, `known_hosts`, `https_tunnel`, \
         `forward_agent`)",
    )?;
    let program = words.first().and_then(|program| Path::new(program).file_name()).and_then(|name| name.to_str());
    if program != Some("ssh") {
        return Err("must run `ssh` when the source configures ssh (`private_key`, `known_hosts`, `https_tunnel`, \
                    `forward_agent`)");
    }
    if words.iter().any(|word| word.starts_with("-F")) {
        return Err("must not contain `-F`: ssh gets the settings of the source in a configuration file");
    }
    Ok(words)
}

/// Splits a command as a shell does, with quotes and backslashes; `None` if it uses other shell syntax.
fn words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let (quoted, rest) = characters.as_str().split_once('\'')?;
                word.get_or_insert_default().push_str(quoted);
                characters = rest.chars();
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => word.push(characters.next()?),
                        '$' | '`' => return None,
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            other if SHELL_SYNTAX.contains(other) => return None,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    // A variable assignment before the command (`X=y ssh`) also needs a shell.
    (!words.is_empty() && !words.first().is_some_and(|first| first.contains('='))).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        let command = r#"/usr/bin/ssh  -o "ServerAliveInterval 5" -o 'User a b' -i /a\ b -v"#;
        let expected = ["/usr/bin/ssh", "-o", "ServerAliveInterval 5", "-o", "User a b", "-i", "/a b", "-v"];
        assert_eq!(parse(command).unwrap(), expected);
    }

    #[test]
    fn refuses_shell_syntax_and_other_programs() {
        for command in ["ssh $X", "ssh; id", "X=1 ssh", "ssh `id`", "ssh 'a", "ssh \"$HOME\"", "", "ssh > x", "ssh ~/x"]
        {
            assert!(parse(command).unwrap_err().contains("not use shell syntax"), "{command}");
        }
        assert!(parse("plink -batch").unwrap_err().contains("must run `ssh`"));
        assert!(parse("ssh -F /dev/null").unwrap_err().contains("`-F`"));
    }
}
