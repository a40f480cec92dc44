//! A client that pushes to a registry request by request: manifests that no tool would create, and hundreds of tags.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::image::{Blob, sha256};

/// A client of a registry on loopback without authentication.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    port: u16,
}

/// A response.
#[derive(Debug)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    head: String,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { port }
    }

    /// Pushes a manifest under a tag or digest, and returns its digest.
    pub fn put_manifest(self, path: &str, reference: &str, media_type: &str, manifest: &[u8]) -> String {
        let answered = self.send("PUT", &format!("/v2/{path}/manifests/{reference}"), media_type, manifest);
        assert_eq!(answered.status, 201, "{answered:?}");
        sha256(manifest)
    }

    /// Pushes a blob.
    pub fn put_blob(self, path: &str, blob: &Blob) {
        let begun = self.send("POST", &format!("/v2/{path}/blobs/uploads/"), "text/plain", b"");
        let location = begun.header("location").expect("a place for the blob");
        let target = location.split_once(&format!(":{}", self.port)).map_or(location.as_str(), |(_, target)| target);
        let separator = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{separator}digest={}", blob.digest);
        let answered = self.send("PUT", &target, "application/octet-stream", &blob.bytes);
        assert_eq!(answered.status, 201, "{answered:?}");
    }

    /// Removes a manifest.
    pub fn delete_manifest(self, path: &str, digest: &str) {
        let answered = self.send("DELETE", &format!("/v2/{path}/manifests/{digest}"), "text/plain", b"");
        assert_eq!(answered.status, 202, "{answered:?}");
    }

    fn send(self, method: &str, target: &str, content_type: &str, body: &[u8]) -> Answered {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect to the registry");
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("send a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("read an answer");
        let head = String::from_utf8_lossy(&answer).into_owned();
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answered { status, head }
    }
}

impl Answered {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        let find = |line: &str| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        self.head.lines().find_map(find)
    }
}
