//! Lists the server's refs by prefix, with the `ls-refs` command of protocol version 2.
//!
//! `git ls-remote` downloads the list of all branches and tags and filters it on the client: megabytes for a busy
//! repository, each minute. Protocol version 2 can list refs by prefix (gitprotocol-v2, "ls-refs"). Over http, the
//! command is sent through git's own transport, `git remote-http`, which applies git's settings for TLS, proxies and
//! credentials (gitremote-helpers, "stateless-connect").

/// `FLUSH` ends a list of packets; `DELIMITER` separates a command's capabilities from its arguments.
const FLUSH: &str = "0000";
const DELIMITER: &str = "0001";

/// The transport's response if the server does not support version 2.
const FALLBACK: &[u8] = b"fallback\n";

/// The first input of `git remote-http`, which responds when it has connected.
pub(crate) const CONNECT: &[u8] = b"stateless-connect git-upload-pack\n";

/// A ref on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRef {
    /// The full name, with `refs/`.
    pub name: String,
    /// The hash of its target: a commit, or the tag object of an annotated tag.
    pub hash: String,
    /// The peeled target of an annotated tag.
    pub peeled: Option<String>,
    /// The target of a symbolic ref, such as HEAD.
    pub symref_target: Option<String>,
}

/// The `ls-refs` request for the refs that begin with one of `prefixes`, with peeled tags and symbolic refs.
pub(crate) fn request(prefixes: &[String]) -> Vec<u8> {
    let mut text = packet("command=ls-refs\n");
    text.push_str(DELIMITER);
    text.push_str(&packet("peel\n"));
    text.push_str(&packet("symrefs\n"));
    for prefix in prefixes {
        text.push_str(&packet(&format!("ref-prefix {prefix}\n")));
    }
    text.push_str(FLUSH);
    text.into_bytes()
}

/// Parses the output of `git remote-http`.
///
/// The error means that the server speaks an older protocol version, or that the output is malformed.
pub(crate) fn parse_response(output: &[u8]) -> Result<Vec<RemoteRef>, UnusableResponse> {
    if output.starts_with(FALLBACK) {
        return Err(UnusableResponse);
    }
    // An empty line means that git has connected. The server's capabilities follow, then the refs.
    let mut rest = output.strip_prefix(b"\n").ok_or(UnusableResponse)?;
    let mut refs = Vec::new();
    for is_ref_list in [false, true] {
        loop {
            let (line, after) = next_packet(rest)?;
            rest = after;
            let Some(line) = line else { break };
            // Skip names that are not UTF-8: neither a pipeline nor a version can contain them.
            if is_ref_list && let Ok(text) = std::str::from_utf8(line) {
                refs.extend(remote_ref(text));
            }
        }
    }
    Ok(refs)
}

/// Parses `HASH NAME` and attributes.
fn remote_ref(line: &str) -> Option<RemoteRef> {
    let mut words = line.trim_end().split(' ');
    let (hash, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let attribute = |key: &str| words.clone().find_map(|word| word.strip_prefix(key)).map(str::to_owned);
    Some(RemoteRef { name, hash, peeled: attribute("peeled:"), symref_target: attribute("symref-target:") })
}

/// Parses the output of `git ls-remote --symref`. The target of a symbolic ref is on a line before it, and the peeled
/// target of a tag on a line after it.
pub(crate) fn parse_listing(listing: &str) -> Vec<RemoteRef> {
    let mut refs: Vec<RemoteRef> = Vec::new();
    let mut symref_target = None;
    for (hash, name) in listing.lines().filter_map(|line| line.split_once('\t')) {
        if let Some(target) = hash.strip_prefix("ref: ") {
            symref_target = Some(target.to_owned());
            continue;
        }
        match (name.strip_suffix("^{}"), refs.last_mut()) {
            (Some(tag), Some(last)) if last.name == tag => last.peeled = Some(hash.to_owned()),
            _ => refs.push(RemoteRef {
                name: name.to_owned(),
                hash: hash.to_owned(),
                peeled: None,
                symref_target: symref_target.take(),
            }),
        }
    }
    refs
}

/// The error if the output has no usable list of refs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnusableResponse;

/// A packet (`None` at the end of a list) and the remaining bytes.
type Packet<'a> = (Option<&'a [u8]>, &'a [u8]);

fn next_packet(bytes: &[u8]) -> Result<Packet<'_>, UnusableResponse> {
    let (length, rest) = bytes.split_at_checked(4).ok_or(UnusableResponse)?;
    let length = std::str::from_utf8(length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length.ok_or(UnusableResponse)? {
        0 => Ok((None, rest)),
        1..4 => Err(UnusableResponse),
        length => {
            let (line, rest) = rest.split_at_checked(length - 4).ok_or(UnusableResponse)?;
            Ok((Some(line), rest))
        }
    }
}

/// Encodes a pkt-line (gitprotocol-common): the length, including itself, in four hexadecimal digits, and the line.
fn packet(line: &str) -> String {
    format!("{:04x}{line}", line.len() + 4)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    const HASH: &str = "1111111111111111111111111111111111111111";

    fn response(refs: &[&str]) -> Vec<u8> {
        let capabilities = format!("{}{}{FLUSH}", packet("version 2\n"), packet("ls-refs=unborn\n"));
        let refs: String = refs.iter().map(|name| packet(&format!("{HASH} {name}\n"))).collect();
        format!("\n{capabilities}{refs}{FLUSH}0002").into_bytes()
    }

    #[test]
    fn request_is_one_command_for_all_prefixes() {
        assert_eq!(
            String::from_utf8(request(&["refs/heads/main".to_owned(), "refs/tags/".to_owned()])).unwrap(),
            "0014command=ls-refs\n00010009peel\n000csymrefs\n001fref-prefix refs/heads/main\n001aref-prefix refs/tags/\n0000"
        );
    }

    #[test]
    fn parses_refs_with_peeled_tags() {
        let tag = format!("refs/tags/v1 peeled:{}", "2".repeat(40));
        let response = response(&["refs/heads/main", &tag, "HEAD symref-target:refs/heads/main"]);
        let refs = parse_response(&response).unwrap();
        assert_eq!(
            (refs[0].name.as_str(), refs[0].hash.as_str(), refs[0].peeled.as_ref()),
            ("refs/heads/main", HASH, None)
        );
        assert_eq!((refs[1].name.as_str(), refs[1].peeled.clone()), ("refs/tags/v1", Some("2".repeat(40))));
        assert_eq!(refs[2].symref_target.as_deref(), Some("refs/heads/main"));
        let listing = format!(
            "{HASH}\trefs/heads/main\n{HASH}\trefs/tags/v1\n{}\trefs/tags/v1^{{}}\nref: refs/heads/main\tHEAD\n{HASH}\tHEAD\n",
            "2".repeat(40)
        );
        assert_eq!(parse_listing(&listing), refs);
    }

    #[test]
    fn older_protocol_and_malformed_output_are_errors() {
        let whole = response(&["refs/heads/main"]);
        let cut = whole.get(..whole.len() - 20).unwrap();
        for bytes in [b"fallback\n".as_slice(), b"", b"\n", b"\nzzzz", b"\n0003", cut] {
            assert_eq!(parse_response(bytes), Err(UnusableResponse), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
