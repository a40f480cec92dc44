//! Secrets that no message may show.

use jetway::http::Retry;

use crate::client::{Screen, quick};
use crate::server::{Server, answer};

#[tokio::test]
async fn path_of_a_webhook_is_never_shown() {
    let screen = Screen::default();
    let context = screen.context();
    let path = "/services/T00/B00/s3cret";
    let server = Server::start([
        answer("429 Too Many Requests", &[("retry-after", "0")], ""),
        answer("404 Not Found", &[], "no service at services/T00/B00/s3cret"),
    ])
    .await;
    let hook = server.url(path);
    let client = context.http(quick()).unwrap();
    let error = client.post(&hook).secret_url().body("{}").send().await.unwrap_err();
    context.console().error(&error);
    drop(server);
    let error = client.post(&hook).secret_url().retry(Retry::never()).send().await.unwrap_err();
    context.console().error(&error);
    let text = screen.text();
    assert!(!text.contains("s3cret"), "{text}");
    assert!(text.contains("/...` answered 404 Not Found (2 attempts)\n"), "{text}");
    assert!(!format!("{error:?} {:?}", client.post(&hook).secret_url()).contains("s3cret"));
}
