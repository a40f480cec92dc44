//! A SOCKS5 proxy (RFC 1928), with or without a password (RFC 1929).

use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The version of the protocol.
const VERSION: u8 = 5;

/// The methods of authentication: none, and a user with a password.
const NONE: u8 = 0;
const PASSWORD: u8 = 2;

/// A running proxy. It accepts no more connections once it is dropped.
pub struct SocksProxy {
    port: u16,
    request: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
}

impl SocksProxy {
    /// Starts a proxy, which requires `login` if it is given.
    pub fn start(login: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen on loopback");
        let port = listener.local_addr().expect("an address").port();
        let (request, stopped) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let proxy = Self { port, request: Arc::clone(&request), stopped: Arc::clone(&stopped) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let request = Arc::clone(&request);
                thread::spawn(move || serve(client, login, &request));
            }
        });
        proxy
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The targets of the clients, in order: `host:port`.
    pub fn recorded_requests(&self) -> Vec<String> {
        self.request.lock().expect("a list").clone()
    }
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts connections.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(mut client: TcpStream, login: Option<(&str, &str)>, request: &Mutex<Vec<String>>) -> io::Result<()> {
    let [_, count] = read(&mut client)?;
    let methods = read_text(&mut client, count)?;
    let method = if login.is_some() { PASSWORD } else { NONE };
    if !methods.contains(&method) {
        return client.write_all(&[VERSION, 0xff]);
    }
    client.write_all(&[VERSION, method])?;
    if let Some((user, password)) = login {
        let [_, length] = read(&mut client)?;
        let given_user = read_text(&mut client, length)?;
        let [length] = read(&mut client)?;
        let given_password = read_text(&mut client, length)?;
        if given_user != user.as_bytes() || given_password != password.as_bytes() {
            return client.write_all(&[1, 1]);
        }
        client.write_all(&[1, 0])?;
    }
    let [_, _, _, kind] = read(&mut client)?;
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(&mut client)?).to_string(),
        4 => Ipv6Addr::from(read::<16>(&mut client)?).to_string(),
        _ => {
            let [length] = read(&mut client)?;
            String::from_utf8_lossy(&read_text(&mut client, length)?).into_owned()
        }
    };
    let port = u16::from_be_bytes(read(&mut client)?);
    request.lock().expect("a list").push(format!("{host}:{port}"));
    let Ok(server) = TcpStream::connect((host.as_str(), port)) else {
        // 5 is "connection refused".
        return client.write_all(&[VERSION, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    client.write_all(&[VERSION, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(from_client, to_server));
    copy(server, client);
    Ok(())
}

fn read<const LENGTH: usize>(client: &mut TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_text(client: &mut TcpStream, length: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Copies everything, and passes the end on.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
