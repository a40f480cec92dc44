//! A proxy that connects every request to one port of this machine, for any requested host. With a registry that has
//! the certificate of a public host name, it simulates that public registry. `CONNECT` and its response are those of
//! RFC 9110 (9.3.6).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The proxy. It ends with the process of the tests.
#[derive(Debug)]
pub struct Detour {
    port: u16,
    request: Arc<Mutex<Vec<String>>>,
}

impl Detour {
    /// Starts a proxy to a port on loopback.
    ///
    /// # Panics
    /// If no port is available.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        let port = listener.local_addr().expect("the proxy's address").port();
        let request = Arc::<Mutex<Vec<String>>>::default();
        let shared = Arc::clone(&request);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&client, target, &shared));
            }
        });
        Self { port, request }
    }

    /// Its URL, for `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requested hosts and ports, in the order of the connections.
    ///
    /// # Panics
    /// If a connection panicked.
    pub fn recorded_requests(&self) -> Vec<String> {
        self.request.lock().expect("no connection panicked").clone()
    }
}

fn serve(mut client: &TcpStream, target: u16, request: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    let Ok(1..) = reader.read_line(&mut line) else { return };
    let Some(host) = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else { return };
    request.lock().expect("no connection panicked").push(host.to_owned());
    // The rest of the header. The client waits for the response before it sends more.
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|read| read > 2) {
        header.clear();
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let (Ok(()), Ok(mut answers)) = (client.write_all(b"HTTP/1.1 200 x\r\n\r\n"), server.try_clone()) else { return };
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = std::io::copy(&mut answers, &mut { client });
            let _ = client.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut { client }, &mut &server);
        let _ = server.shutdown(Shutdown::Both);
    });
}
