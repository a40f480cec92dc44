//! Runs `git http-backend` for one request, as a CGI program (RFC 3875).

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::body::{Body, Manner};
use super::log::Entry;
use crate::git;
use crate::stand_in::decoded;

/// The child's output. Dropping it kills the child and its descendants.
pub(super) struct Output {
    stdout: ChildStdout,
    _group: Group,
}

/// The child leads a process group: `git http-backend` starts other processes, which would survive if only it were killed.
struct Group {
    child: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        // Without a PID, the child was reaped, and another process may already have its number.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

pub(super) async fn run(
    root: &Path,
    user: Option<&str>,
    request: Request<Incoming>,
    entry: &Arc<Entry>,
    manner: Manner,
) -> io::Result<Response<Body>> {
    let mut child = command(root, user, &request)?.spawn()?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let mut output = Output { stdout, _group: Group { child } };
    if let Some(stdin) = stdin {
        tokio::spawn(feed(request.into_body(), stdin, Arc::clone(entry)));
    }

    let mut read = BytesMut::new();
    let (head, rest) = loop {
        if let Some(end) = find(&read, b"\r\n\r\n") {
            let rest = read.split_off(end + 4).freeze();
            break (read.freeze(), rest);
        }
        if output.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other("it ended before its answer began"));
        }
    };
    let mut response = Response::new(Body::stream(rest, output, manner, entry));
    apply_head(&head, &mut response)?;
    Ok(response)
}

fn command(root: &Path, user: Option<&str>, request: &Request<Incoming>) -> io::Result<tokio::process::Command> {
    let mut command = git::command(root);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", request.method().as_str())
        // Decoded, as RFC 3875 (4.1.5) has it.
        .env("PATH_INFO", decoded(request.uri().path()))
        .env("QUERY_STRING", request.uri().query().unwrap_or_default());
    // Without users the server allows every push. http-backend allows that only with `http.receivepack`.
    if let Some(user) = user {
        command.env("REMOTE_USER", user);
    }
    let headers = [
        (CONTENT_TYPE, "CONTENT_TYPE"),
        (CONTENT_LENGTH, "CONTENT_LENGTH"),
        (CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
        (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
    ];
    for (header, variable) in headers {
        if let Some(value) = request.headers().get(header) {
            command.env(variable, value.to_str().map_err(io::Error::other)?);
        }
    }
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    Ok(command)
}

/// Streams the request's body to the child. It stops if either side closes.
async fn feed(mut body: Incoming, mut stdin: ChildStdin, entry: Arc<Entry>) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            entry.received(data.len());
            if stdin.write_all(&data).await.is_err() {
                break;
            }
        }
    }
}

fn apply_head(head: &[u8], response: &mut Response<Body>) -> io::Result<()> {
    let head = str::from_utf8(head).map_err(io::Error::other)?;
    for line in head.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other("a header without a colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            *response.status_mut() = code.parse::<StatusCode>().map_err(io::Error::other)?;
        } else {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
            response.headers_mut().append(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
    }
    Ok(())
}

fn find(bytes: &BytesMut, pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_ends_at_the_first_empty_line() {
        assert_eq!(find(&BytesMut::from(&b"Status: 200 OK\r\n\r\nbody\r\n\r\n"[..]), b"\r\n\r\n"), Some(14));
        assert_eq!(find(&BytesMut::from(&b"Status: 200 OK\r\n"[..]), b"\r\n\r\n"), None);
    }
}
