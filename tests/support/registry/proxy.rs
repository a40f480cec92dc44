//! A proxy in front of a registry that injects faults: it cuts uploads and rejects requests.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Registry;

/// A fault to inject.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// Cuts this many `PATCH` requests, each after this many bytes.
    Cut {
        /// The number of requests to cut.
        times: usize,
        /// The number of bytes before the cut.
        after: usize,
    },
    /// Responds with 403 to a request that starts with this text, `PUT /v2/x/manifests/y`.
    Refuse(&'static str),
    /// Stalls a request that starts with this text, with its connection open.
    Stall(&'static str),
}

/// The proxy. It runs until the test process ends.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    left: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy in front of a registry without TLS.
    ///
    /// # Panics
    /// If no port is available.
    pub fn start(registry: &Registry, trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        let port = listener.local_addr().expect("the proxy's address").port();
        let target = registry.host().replace("localhost", "127.0.0.1");
        let times = match trouble {
            Trouble::Cut { times, .. } => times,
            Trouble::Refuse(_) | Trouble::Stall(_) => usize::MAX,
        };
        let left = Arc::new(AtomicUsize::new(times));
        let shared = Arc::clone(&left);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, left) = (target.clone(), Arc::clone(&shared));
                thread::spawn(move || serve(&client, &target, trouble, &left));
            }
        });
        Self { port, left }
    }

    /// The reference of a repository through the proxy.
    pub fn repository(&self, path: &str) -> String {
        format!("localhost:{}/{path}", self.port)
    }

    /// The number of cuts that have not happened yet.
    pub fn cuts_left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// Whether a request was stalled.
    pub fn has_stalled(&self) -> bool {
        self.left.load(Ordering::SeqCst) < usize::MAX
    }
}

/// Handles one connection. The client waits for each response, so data that starts with a method is a new request.
fn serve(mut client: &TcpStream, target: &str, trouble: Trouble, left: &AtomicUsize) {
    let Ok(server) = TcpStream::connect(target) else { return };
    let (mut back, Ok(mut answers)) = (client, server.try_clone()) else { return };
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        let mut piece = vec![0; 64 * 1024];
        let mut until_cut = None;
        while let Ok(count) = client.read(&mut piece) {
            let sent = &piece[..count];
            if count == 0 {
                break;
            }
            match trouble {
                // The answer of CNCF's registry: `DENIED` in <https://distribution.github.io/distribution/spec/api/#errors-2>.
                Trouble::Refuse(start) if sent.starts_with(start.as_bytes()) => {
                    let body =
                        r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json; charset=utf-8\r\nConnection: close\r\n\
                         Content-Length: {length}\r\n\r\n"
                    );
                    let _ = client.write_all((head + body).as_bytes());
                    break;
                }
                // Until the client disconnects.
                Trouble::Stall(start) if sent.starts_with(start.as_bytes()) => {
                    left.fetch_sub(1, Ordering::SeqCst);
                    while client.read(&mut piece).is_ok_and(|count| count > 0) {}
                    break;
                }
                Trouble::Cut { after, .. } if sent.starts_with(b"PATCH ") => {
                    let is_due = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                    until_cut = is_due.ok().map(|_| after);
                }
                _ => {}
            }
            let mut forward = sent;
            if let Some(budget) = &mut until_cut {
                forward = &sent[..count.min(*budget)];
                *budget -= forward.len();
            }
            if (&server).write_all(forward).is_err() || until_cut == Some(0) {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    });
}
