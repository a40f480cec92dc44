//! A client with short pauses, a readable console, and error reports as users see them.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jetway::http::{HttpClient, HttpSettings, Retry, TransportError, TransportKind};
use jetway::{BuildMetadata, Colour, Console, Context, Error, Line, Redactor, lines};

use crate::server::Server;

/// The output on the console.
#[derive(Clone, Default)]
pub(crate) struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    pub(crate) fn context(&self) -> Context {
        let console = Console::new(self.clone(), Redactor::default(), Colour::Never);
        Context::new(BuildMetadata::default(), console, std::env::temp_dir())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Settings with very short pauses.
pub(crate) fn quick() -> HttpSettings {
    let retry = Retry { first_pause: Duration::from_millis(2), ..Retry::default() };
    HttpSettings { retry, ..HttpSettings::default() }
}

pub(crate) fn client() -> HttpClient {
    Screen::default().context().http(quick()).unwrap()
}

/// The report of an error as users see it, without the ports of this run.
pub(crate) fn report(error: &Error, servers: &[&Server]) -> String {
    let text: Vec<String> = lines(error)
        .iter()
        .map(|line| match line {
            Line::Failure(text) => format!("error: {text}"),
            Line::Cause(text) => format!("caused by: {text}"),
            Line::Hint(text) => format!("hint: {text}"),
        })
        .collect();
    let mut text = text.join("\n");
    for (index, server) in servers.iter().enumerate() {
        text = text.replace(&server.port.to_string(), &format!("PORT{}", index + 1));
    }
    text
}

/// A port without a listener.
pub(crate) fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn kind(error: &Error) -> TransportKind {
    error.downcast_ref::<TransportError>().unwrap_or_else(|| panic!("{error:?}")).kind()
}
