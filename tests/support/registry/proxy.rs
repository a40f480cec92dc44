//! A way to a registry on which things go wrong: connections that are cut in the middle of an upload, requests that are
//! refused.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Registry;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// So many requests `PATCH` are cut, each after so many bytes.
    Cut {
        /// How many of them.
        times: usize,
        /// After how many bytes.
        after: usize,
    },
    /// A request that begins so, `PUT /v2/x/manifests/y`, is answered with 403.
    Refuse(&'static str),
    /// A request that begins so goes nowhere, and its connection stays open.
    Stall(&'static str),
}

/// The proxy. It ends with the process of the tests.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    left: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts one in front of a registry without TLS.
    ///
    /// # Panics
    /// When no port can be had.
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

    /// The name of a repository by way of it.
    pub fn repository(&self, path: &str) -> String {
        format!("localhost:{}/{path}", self.port)
    }

    /// How many cuts have not come about.
    pub fn cuts_left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// Whether a request stands still, or has.
    pub fn has_stalled(&self) -> bool {
        self.left.load(Ordering::SeqCst) < usize::MAX
    }
}

/// One connection. What a client sends begins with a method whenever it is a new request, since it waits for each answer.
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
                // Until the client goes.
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
