//! Requests through a SOCKS5 proxy (RFC 1928, with user and password by RFC 1929).

use std::sync::{Arc, Mutex};

use jetway::http::{HttpSettings, Retry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Screen, quick, report};
use crate::server::{Authority, Server, ok};

/// A proxy that connects to one port on loopback, whatever the requested address, and records that address.
pub(crate) struct Socks {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Socks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Socks {
    /// Requires this user and password, if given.
    pub(crate) async fn start(target: u16, login: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let notes = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = Arc::clone(&notes);
                tokio::spawn(async move { serve(stream, target, login, &notes).await });
            }
        });
        Self { port, asked, task }
    }

    pub(crate) fn settings(&self, scheme: &str, login: &str, authority: &str) -> HttpSettings {
        let proxy = Some(format!("{scheme}://{login}127.0.0.1:{}", self.port));
        let ca_certs = (!authority.is_empty()).then(|| authority.to_owned()).into_iter().collect();
        HttpSettings { proxy, ca_certs, ..quick() }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// `None` closes a connection whose handshake fails.
async fn serve(
    mut stream: TcpStream,
    target: u16,
    login: Option<(&str, &str)>,
    notes: &Mutex<Vec<String>>,
) -> Option<()> {
    let _version = stream.read_u8().await.ok()?;
    let mut methods = vec![0; stream.read_u8().await.ok()?.into()];
    stream.read_exact(&mut methods).await.ok()?;
    let wanted = if login.is_some() { 2 } else { 0 };
    let method = if methods.contains(&wanted) { wanted } else { 0xff };
    stream.write_all(&[5, method]).await.ok()?;
    if let Some((user, password)) = login {
        let _version = stream.read_u8().await.ok()?;
        let mut given = [vec![0; stream.read_u8().await.ok()?.into()], Vec::new()];
        stream.read_exact(&mut given[0]).await.ok()?;
        given[1] = vec![0; stream.read_u8().await.ok()?.into()];
        stream.read_exact(&mut given[1]).await.ok()?;
        let is_right = given[0] == user.as_bytes() && given[1] == password.as_bytes();
        stream.write_all(&[1, u8::from(!is_right)]).await.ok()?;
    }
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let host = match head[3] {
        1 => {
            let mut address = [0; 4];
            stream.read_exact(&mut address).await.ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => {
            let mut name = vec![0; stream.read_u8().await.ok()?.into()];
            stream.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).ok()?
        }
        _ => return None,
    };
    let port = stream.read_u16().await.ok()?;
    notes.lock().unwrap().push(format!("{host}:{port}"));
    let server = TcpStream::connect(("127.0.0.1", target)).await;
    stream.write_all(&[5, u8::from(server.is_err()) * 5, 0, 1, 127, 0, 0, 1, 0, 0]).await.ok()?;
    tokio::io::copy_bidirectional(&mut stream, &mut server.ok()?).await.ok()?;
    Some(())
}

#[tokio::test]
async fn tunnels_encrypted_requests_by_name_with_a_login() {
    let authority = Authority::new("test");
    let server = Server::start_tls([ok("safe")], authority.certify(&["registry.test"]).config()).await;
    let proxy = Socks::start(server.port, Some(("bob", "pr0xy/pass"))).await;
    let settings = proxy.settings("socks5h", "bob:pr0xy%2Fpass@", &authority.pem);
    let client = Screen::default().context().http(settings).unwrap();
    let response = client.get("https://registry.test/v2/").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "safe");
    assert_eq!(proxy.asked(), ["registry.test:443"]);
}

#[tokio::test]
async fn forwards_plain_requests_to_a_locally_resolved_address() {
    let server = Server::start([ok("plain")]).await;
    let proxy = Socks::start(server.port, None).await;
    let client = Screen::default().context().http(proxy.settings("socks5", "", "")).unwrap();
    let response = client.get("http://127.0.0.1:81/").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "plain");
    assert_eq!(proxy.asked(), ["127.0.0.1:81"]);
}

#[tokio::test]
async fn reports_rejecting_proxy_without_its_password() {
    let proxy = Socks::start(1, Some(("bob", "pr0xy/pass"))).await;
    let screen = Screen::default();
    let settings = proxy.settings("socks5h", "bob:wr0ng%2Fpass@", "");
    let client = screen.context().http(settings).unwrap();
    let error = client.get("https://registry.test/").retry(Retry::never()).send().await.unwrap_err();
    assert_eq!(
        report(&error, &[]),
        "error: `GET https://registry.test/` got no complete response\n\
         caused by: the SOCKS proxy requires a user and password, or rejects the given ones\n\
         hint: put them into the proxy's URL: `socks5://user:password@host:port`"
    );
    let settings = proxy.settings("socks5h", "bob:pr0xy%2Fpass@", "");
    let client = screen.context().http(settings).unwrap();
    let error = client.get("https://registry.test/").retry(Retry::never()).send().await.unwrap_err();
    assert!(report(&error, &[]).contains("the SOCKS proxy cannot connect to `registry.test`"), "{error:?}");
}
