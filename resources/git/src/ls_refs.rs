//! Asking a server for one ref, and getting no other.
//!
//! `git ls-remote` downloads the list of all branches and tags, and picks from it on this side: megabytes for a busy
//! repository, each minute. Protocol version 2 has a command that lists refs by prefix (gitprotocol-v2, "ls-refs"). Over
//! http it is put to git's own transport, `git remote-http`, which brings along all of git's settings for TLS, proxies and
//! credentials, and passes protocol messages through (gitremote-helpers, "stateless-connect").

/// What ends a message list, and what separates a command's capabilities from its arguments.
const FLUSH: &str = "0000";
const DELIMITER: &str = "0001";

/// What the transport says when the server does not speak version 2.
const FALLBACK: &[u8] = b"fallback\n";

/// What to write to `git remote-http` first; it answers when the connection is made.
pub(crate) const CONNECT: &[u8] = b"stateless-connect git-upload-pack\n";

/// What to write then, to list the refs that begin with `prefix`.
pub(crate) fn question(prefix: &str) -> Vec<u8> {
    let mut text = packet("command=ls-refs\n");
    text.push_str(DELIMITER);
    text.push_str(&packet(&format!("ref-prefix {prefix}\n")));
    text.push_str(FLUSH);
    text.into_bytes()
}

/// The hash of the ref `name` in what `git remote-http` answered.
///
/// `Ok(None)` when the server has no such ref, `Err` when there is no such answer: the server speaks an older version of
/// the protocol, or something else than expected.
pub(crate) fn hash_of(name: &str, answer: &[u8]) -> Result<Option<String>, Unanswered> {
    if answer.starts_with(FALLBACK) {
        return Err(Unanswered);
    }
    // An empty line says that the connection is made; the server's capabilities follow, and then the refs.
    let mut rest = answer.strip_prefix(b"\n").ok_or(Unanswered)?;
    for is_answer in [false, true] {
        loop {
            let (line, after) = next_packet(rest)?;
            rest = after;
            let Some(line) = line else { break };
            let text = String::from_utf8_lossy(line);
            if is_answer
                && let Some((hash, found)) = text.trim_end().split_once(' ')
                && found == name
            {
                return Ok(Some(hash.to_owned()));
            }
        }
    }
    Ok(None)
}

/// There is no answer to go by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unanswered;

/// A packet and what follows it; no packet at the end of a list.
type Packet<'a> = (Option<&'a [u8]>, &'a [u8]);

fn next_packet(bytes: &[u8]) -> Result<Packet<'_>, Unanswered> {
    let (length, rest) = bytes.split_at_checked(4).ok_or(Unanswered)?;
    let length = std::str::from_utf8(length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length.ok_or(Unanswered)? {
        0 => Ok((None, rest)),
        1..4 => Err(Unanswered),
        length => {
            let (line, rest) = rest.split_at_checked(length - 4).ok_or(Unanswered)?;
            Ok((Some(line), rest))
        }
    }
}

/// A line with its length before it, in four hexadecimal digits that count themselves (gitprotocol-common, "pkt-line").
fn packet(line: &str) -> String {
    format!("{:04x}{line}", line.len() + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "1111111111111111111111111111111111111111";

    fn answer(refs: &[&str]) -> Vec<u8> {
        let capabilities = format!("{}{}{FLUSH}", packet("version 2\n"), packet("ls-refs=unborn\n"));
        let refs: String = refs.iter().map(|name| packet(&format!("{HASH} {name}\n"))).collect();
        format!("\n{capabilities}{refs}{FLUSH}0002").into_bytes()
    }

    #[test]
    fn the_question_is_one_command_for_one_prefix() {
        assert_eq!(
            String::from_utf8(question("refs/heads/main")).unwrap(),
            "0014command=ls-refs\n0001001fref-prefix refs/heads/main\n0000"
        );
    }

    #[test]
    fn only_the_ref_of_that_very_name_is_the_answer() {
        let answer = answer(&["refs/heads/main-2", "refs/heads/main"]);
        assert_eq!(hash_of("refs/heads/main", &answer), Ok(Some(HASH.to_owned())));
        assert_eq!(hash_of("refs/heads/ma", &answer), Ok(None));
    }

    #[test]
    fn an_older_server_and_nonsense_are_no_answer() {
        let whole = answer(&["refs/heads/main"]);
        let cut = whole.get(..whole.len() - 20).unwrap();
        for bytes in [b"fallback\n".as_slice(), b"", b"\n", b"\nzzzz", b"\n0003", cut] {
            assert_eq!(hash_of("refs/heads/other", bytes), Err(Unanswered), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
