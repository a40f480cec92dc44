//! A proxy on loopback for children. It adds the login of the real proxy, so that the password is in no child's environment.
//!
//! It speaks HTTP to the child (`CONNECT`, or one request per connection). To the real proxy it speaks HTTP, with or without
//! TLS, or SOCKS5 (RFC 1928).

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::proxy::proxy_url;
use super::settings::HttpSettings;
use crate::encoding::percent_decode;
use crate::error::Result;

/// The maximum length of the head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// The timeout of each step until a connection is established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A running relay. Dropping this ends it.
#[derive(Debug)]
pub struct ProxyRelay {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ProxyRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ProxyRelay {
    /// Starts a relay to the proxy of these settings; `None` if they have no proxy, or one without a login.
    pub fn start(settings: &HttpSettings) -> Result<Option<Self>> {
        Self::start_with(settings, CONNECT_TIMEOUT)
    }

    fn start_with(settings: &HttpSettings, patience: Duration) -> Result<Option<Self>> {
        let Some(proxy) = &settings.proxy else { return Ok(None) };
        let url = proxy_url(proxy).map_err(|problem| anyhow!("`proxy`: {problem}"))?;
        if url.username().is_empty() && url.password().is_none() {
            return Ok(None);
        }
        let mut tls = settings.tls()?;
        // The relay speaks HTTP/1.1 to the proxy.
        tls.alpn_protocols.clear();
        let upstream = Arc::new(Upstream { url, tls: Arc::new(tls), patience });
        let listen = || {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((listener.local_addr()?.port(), TcpListener::from_std(listener)?))
        };
        let (port, listener) = listen().context("cannot listen on loopback for the proxy relay")?;
        let task = tokio::spawn(async move {
            // Dropping the set with the task ends the connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let upstream = Arc::clone(&upstream);
                // The child reports a failure: it gets the proxy's response, or none.
                connections.spawn(async move { upstream.serve(stream).await.is_ok() });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Some(Self { port, task }))
    }

    /// The address of the relay, for a child.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The real proxy.
struct Upstream {
    url: Url,
    tls: Arc<rustls::ClientConfig>,
    /// The timeout of each step until a connection is established.
    patience: Duration,
}

/// The head of a child's request.
struct Head {
    /// The request line and the headers, without the empty line.
    text: String,
    /// The bytes that were read after it.
    rest: Vec<u8>,
}

impl Head {
    async fn read(stream: &mut TcpStream) -> Result<Self> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = bytes.split_off(end + 4);
                bytes.truncate(end);
                return Ok(Self { text: String::from_utf8(bytes).context("the request is not text")?, rest });
            }
            if bytes.len() > MAX_HEAD || stream.read_buf(&mut bytes).await? == 0 {
                return Err(anyhow!("the request has no end"));
            }
        }
    }

    fn is_tunnel(&self) -> bool {
        self.text.starts_with("CONNECT ")
    }

    /// Host and port of the request's target.
    fn target(&self) -> Result<(String, u16)> {
        let target = self.text.split(' ').nth(1).context("the request has no target")?;
        let target = if self.is_tunnel() { format!("https://{target}") } else { target.to_owned() };
        let url = Url::parse(&target).context("the request's target is not an address")?;
        let host = url.host_str().context("the request's target has no host")?;
        Ok((host.to_owned(), url.port_or_known_default().unwrap_or(80)))
    }

    /// The head for the real proxy, with its login. A plain request closes the connection after it, since a second request on it
    /// would not get the login.
    fn with_login(&self, login: Option<&str>) -> String {
        let is_replaced = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            name != "proxy-authorization"
                && (self.is_tunnel() || !["connection", "proxy-connection", "keep-alive"].contains(&name.as_str()))
        };
        let mut lines: Vec<&str> = self.text.split("\r\n").filter(is_replaced).collect();
        let login = login.map(|login| format!("Proxy-Authorization: Basic {login}"));
        lines.extend(login.as_deref());
        if !self.is_tunnel() {
            lines.push("Connection: close");
        }
        format!("{}\r\n\r\n", lines.join("\r\n"))
    }
}

impl Upstream {
    async fn serve(&self, mut child: TcpStream) -> Result<()> {
        let head = timeout(self.patience, Head::read(&mut child)).await.context("the child asks for nothing")??;
        let proxy = timeout(self.patience, self.connect()).await.context("the proxy does not answer")??;
        match self.url.scheme() {
            "socks5" | "socks5h" => self.relay_socks(child, proxy, &head).await,
            "https" => {
                let name = rustls::pki_types::ServerName::try_from(self.host()).context("not a host")?.to_owned();
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
                let proxy = timeout(self.patience, connector.connect(name, proxy)).await.context("no TLS")??;
                self.relay_http(child, proxy, &head).await
            }
            _ => self.relay_http(child, proxy, &head).await,
        }
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()
    }

    async fn connect(&self) -> Result<TcpStream> {
        let usual = if self.url.scheme().starts_with("socks") { 1080 } else { 80 };
        let port = self.url.port_or_known_default().unwrap_or(usual);
        Ok(TcpStream::connect((self.host().as_str(), port)).await?)
    }

    /// The user and the password, decoded.
    fn login(&self) -> (String, String) {
        (percent_decode(self.url.username()), percent_decode(self.url.password().unwrap_or_default()))
    }

    async fn relay_http(
        &self,
        mut child: TcpStream,
        mut proxy: impl AsyncRead + AsyncWrite + Unpin,
        head: &Head,
    ) -> Result<()> {
        let (user, password) = self.login();
        let login = STANDARD.encode(format!("{user}:{password}"));
        proxy.write_all(head.with_login(Some(&login)).as_bytes()).await?;
        proxy.write_all(&head.rest).await?;
        proxy.flush().await?;
        copy_bidirectional(&mut child, &mut proxy).await?;
        Ok(())
    }

    async fn relay_socks(&self, mut child: TcpStream, mut proxy: TcpStream, head: &Head) -> Result<()> {
        let (host, port) = head.target()?;
        let connected = timeout(self.patience, self.ask_socks(&mut proxy, &host, port)).await;
        if !matches!(connected, Ok(Ok(()))) {
            let answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            child.write_all(answer).await?;
            return Ok(());
        }
        if head.is_tunnel() {
            child.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        } else {
            proxy.write_all(head.with_login(None).as_bytes()).await?;
        }
        proxy.write_all(&head.rest).await?;
        copy_bidirectional(&mut child, &mut proxy).await?;
        Ok(())
    }

    /// Requests a connection from a SOCKS5 proxy. The proxy resolves the name, as it does for Go programs.
    async fn ask_socks(&self, proxy: &mut TcpStream, host: &str, port: u16) -> Result<()> {
        let (user, password) = self.login();
        proxy.write_all(&[5, 2, 0, 2]).await?;
        let mut chosen = [0; 2];
        proxy.read_exact(&mut chosen).await?;
        if chosen == [5, 2] {
            let mut login = vec![1];
            for part in [&user, &password] {
                login.push(u8::try_from(part.len()).context("the proxy's login is too long")?);
                login.extend_from_slice(part.as_bytes());
            }
            proxy.write_all(&login).await?;
            let mut verdict = [0; 2];
            proxy.read_exact(&mut verdict).await?;
            if verdict != [1, 0] {
                return Err(anyhow!("the proxy rejects the login"));
            }
        } else if chosen != [5, 0] {
            return Err(anyhow!("the proxy requires an unsupported login method"));
        }
        let mut request = vec![5, 1, 0, 3];
        let host = host.trim_matches(['[', ']']);
        request.push(u8::try_from(host.len()).context("the host's name is too long")?);
        request.extend_from_slice(host.as_bytes());
        request.extend_from_slice(&port.to_be_bytes());
        proxy.write_all(&request).await?;
        let mut answer = [0; 4];
        proxy.read_exact(&mut answer).await?;
        let [_, status, _, kind] = answer;
        if status != 0 {
            return Err(anyhow!("the proxy cannot connect (status {status})"));
        }
        let length = match kind {
            1 => 4,
            4 => 16,
            _ => usize::from(proxy.read_u8().await?),
        };
        // The address and port that the proxy connects from.
        let mut bound = vec![0; length + 2];
        proxy.read_exact(&mut bound).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response that a child gets for `request` from a relay whose proxy accepts connections and sends nothing.
    async fn response(scheme: &str, request: &[u8]) -> Vec<u8> {
        let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("{scheme}://user:pass@{}", proxy.local_addr().unwrap());
        let settings = HttpSettings { proxy: Some(address), ..HttpSettings::default() };
        let relay = ProxyRelay::start_with(&settings, Duration::from_millis(100)).unwrap().unwrap();
        let mut child = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port)).await.unwrap();
        // The relay may close the connection before it has read everything.
        let _ = child.write_all(request).await;
        let mut response = Vec::new();
        let read = timeout(Duration::from_secs(20), child.read_to_end(&mut response)).await;
        // A connection that is closed with unread data is reset.
        let _ = read.expect("the relay ends the connection");
        response
    }

    #[tokio::test]
    async fn ends_the_connection_of_a_child_that_sends_no_request() {
        assert_eq!(response("http", b"").await, b"");
    }

    #[tokio::test]
    async fn ends_the_connection_of_a_child_whose_request_has_no_end() {
        let settings = HttpSettings { proxy: Some("http://u:p@127.0.0.1:9".to_owned()), ..HttpSettings::default() };
        let relay = ProxyRelay::start(&settings).unwrap().unwrap();
        let mut child = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port)).await.unwrap();
        let endless = async { while child.write_all(&[b'x'; 1024]).await.is_ok() {} };
        timeout(Duration::from_secs(20), endless).await.expect("the relay reads without an end");
    }

    #[tokio::test]
    async fn does_not_wait_for_a_proxy_that_is_silent() {
        assert!(response("socks5", b"CONNECT host:443 HTTP/1.1\r\n\r\n").await.starts_with(b"HTTP/1.1 502 "));
        assert_eq!(response("https", b"CONNECT host:443 HTTP/1.1\r\n\r\n").await, b"");
    }
}
