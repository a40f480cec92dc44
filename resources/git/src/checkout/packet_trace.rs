//! Reads git's packet trace, which contains the refs that the server listed. git does not print them otherwise.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;

use jetway::{Command, Result};
use jetway_git_client::transport::git::Git;

/// How many bytes of a trace are read. The list of refs is at the beginning. 64 MiB contain about 500,000 refs.
const MAX_TRACE_BYTES: u64 = 64 * 1024 * 1024;

/// The packet trace of a command.
pub(crate) struct PacketTrace {
    file: PathBuf,
}

impl PacketTrace {
    /// Chooses the file for the trace.
    pub(crate) fn new(git: &Git<'_>) -> Result<Self> {
        Ok(Self { file: git.context().private_directory().path()?.join("packets") })
    }

    /// Makes a command write the trace.
    pub(crate) fn add_to(&self, command: Command) -> Command {
        command.env("GIT_TRACE_PACKET", &self.file)
    }

    /// The packets that git received, in order. Removes the file.
    pub(crate) fn received(&self) -> impl Iterator<Item = String> + use<> {
        let file = File::open(&self.file).ok();
        let _ = std::fs::remove_file(&self.file);
        let lines = file.into_iter().flat_map(|file| BufReader::new(file.take(MAX_TRACE_BYTES)).split(b'\n'));
        lines.map_while(Result::ok).filter_map(|line| received(&String::from_utf8_lossy(&line)).map(str::to_owned))
    }
}

/// Parses a line of a trace; returns the packet if git received it.
fn received(line: &str) -> Option<&str> {
    let (receiver, packet) = line.split_once("< ")?;
    // For a local repository, the server writes to the same trace. Skip the packets that it receives.
    (!receiver.ends_with("upload-pack")).then_some(packet)
}

/// Whether the server may have notes, by the trace of a command that requested the refs below `refs/notes/`. The server
/// has none only if the trace contains a complete list of refs. (The dumb HTTP protocol has no packets.)
pub(crate) fn may_have_notes(received: impl Iterator<Item = String>) -> bool {
    let mut lists_refs = false;
    for packet in received {
        // A retry appends its packets to those of the attempt that was cut off.
        if packet == "version 2" {
            lists_refs = false;
        }
        if is_ref(&packet) {
            lists_refs = true;
            if packet.contains(" refs/notes/") {
                return true;
            }
        } else if lists_refs && packet == "0000" {
            return false;
        }
    }
    true
}

/// Whether a packet is a ref: `HASH NAME`, with attributes in protocol version 2 and capabilities in older versions.
fn is_ref(packet: &str) -> bool {
    packet.split_once(' ').is_some_and(|(hash, name)| {
        matches!(hash.len(), 40 | 64)
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && (name.starts_with("refs/") || name.starts_with("HEAD"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "efeaf23faa172ca720769d69caf24b2851f3eb9a";

    fn notes_after(packets: &[&str]) -> bool {
        may_have_notes(packets.iter().map(|packet| packet.replace("HASH", HASH)))
    }

    #[test]
    fn packets_received_by_a_local_server_are_skipped() {
        assert_eq!(received("t pkt-line.c:80 packet:        clone< 0000"), Some("0000"));
        assert_eq!(received("t pkt-line.c:80 packet:  upload-pack< 0000"), None);
        assert_eq!(received("t pkt-line.c:80 packet:        clone> 0000"), None);
    }

    #[test]
    fn notes_are_excluded_only_by_a_complete_list_of_refs() {
        let (head, branch) = ("HASH HEAD symref-target:refs/heads/main", "HASH refs/heads/main");
        assert!(!notes_after(&["version 2", "0000", head, branch, "0000", "packfile"]));
        assert!(!notes_after(&["HASH HEAD\\0multi_ack symref=HEAD:refs/heads/main", branch, "0000"]));
        assert!(notes_after(&["version 2", "0000", head, branch, "HASH refs/notes/commits", "0000"]));
        assert!(notes_after(&["version 2", "0000", head, branch]));
        assert!(notes_after(&["version 2", "0000", "0000"]));
        assert!(notes_after(&["version 2", "0000", head, "version 2", "0000", head, branch]));
        assert!(notes_after(&[]));
    }
}
