//! The certificate algorithms of private authorities. Each case runs a server of OpenSSL.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jetway::http::{HttpSettings, TransportKind};

use crate::client::{Screen, kind, quick, report};

/// Keys as arguments of `openssl genpkey`, and the padding of their signatures.
const KEYS: [(&str, &[&str], Padding); 7] = [
    ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], Padding::Default),
    ("rsa-signs-pss", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], Padding::Pss),
    ("rsa-pss", &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"], Padding::Pss),
    ("ed25519", &["-algorithm", "ED25519"], Padding::Default),
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], Padding::Default),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], Padding::Default),
    ("p521", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], Padding::Default),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    Default,
    Pss,
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Creates `NAME-ca.pem` and `NAME.pem` with keys of one kind, both signed with `hash`.
fn certify(directory: &Path, name: &str, key: &[&str], padding: Padding, hash: &str) {
    std::fs::write(directory.join("extensions"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let hash = format!("-{hash}");
    let (authority, leaf) = (format!("{name}-ca"), name);
    for key_name in [authority.as_str(), leaf] {
        let file = format!("{key_name}.key");
        openssl(directory, &[&["genpkey", "-out", &file], key].concat());
    }
    let mut signing = if hash == "-none" { Vec::new() } else { vec![hash.as_str()] };
    if padding == Padding::Pss {
        // RFC 8446, section 4.2.3: the salt is as long as the hash.
        signing.extend(["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]);
    }
    let (key_file, pem) = (format!("{authority}.key"), format!("{authority}.pem"));
    let request = ["req", "-x509", "-new", "-key", &key_file, "-subj", "/CN=authority", "-days", "9", "-out", &pem];
    openssl(directory, &[&request, signing.as_slice()].concat());
    let (leaf_key, csr, leaf_pem) = (format!("{leaf}.key"), format!("{leaf}.csr"), format!("{leaf}.pem"));
    openssl(directory, &["req", "-new", "-key", &leaf_key, "-subj", "/CN=leaf", "-out", &csr]);
    let sign = ["x509", "-req", "-in", &csr, "-CA", &pem, "-CAkey", &key_file, "-days", "9", "-out", &leaf_pem];
    let extensions = ["-set_serial", "7", "-extfile", "extensions"];
    openssl(directory, &[&sign, extensions.as_slice(), signing.as_slice()].concat());
}

/// `openssl s_server`, which answers each GET with a page about the connection. It ends when it is dropped.
struct OpenSsl {
    process: Child,
    port: u16,
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl OpenSsl {
    fn start(directory: &Path, name: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new("openssl")
            .current_dir(directory)
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .args(["-cert", &format!("{name}.pem"), "-key", &format!("{name}.key")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok());
        Self { process, port: port.unwrap() }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }
}

#[tokio::test]
async fn accepts_every_key_and_hash_of_private_authorities() {
    let directory = tempfile::tempdir().unwrap();
    for (key_name, key, padding) in KEYS {
        let hashes: &[&str] = if key_name == "ed25519" { &["none"] } else { &["sha256", "sha384", "sha512"] };
        for hash in hashes {
            let name = format!("{key_name}-{hash}");
            certify(directory.path(), &name, key, padding, hash);
            let pem = std::fs::read_to_string(directory.path().join(format!("{name}-ca.pem"))).unwrap();
            let client = Screen::default().context().http(HttpSettings { ca_certs: vec![pem], ..quick() }).unwrap();
            // rustls knows the signatures of RSA-PSS keys in TLS 1.3 only.
            let versions = if key_name == "rsa-pss" { &["-tls1_3"][..] } else { &["-tls1_3", "-tls1_2"] };
            for version in versions {
                let server = OpenSsl::start(directory.path(), &name, &[version]);
                let response = client.get(server.url()).send().await;
                let page = match response {
                    Ok(response) => response.text().await.unwrap(),
                    Err(error) => panic!("{name} {version}: {error:?}"),
                };
                assert!(page.contains("s_server"), "{name} {version}: {page}");
            }
        }
    }
}

#[tokio::test]
async fn rejects_weak_signature_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    certify(
        directory.path(),
        "weak",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        Padding::Default,
        "sha1",
    );
    let pem = std::fs::read_to_string(directory.path().join("weak-ca.pem")).unwrap();
    let client = Screen::default().context().http(HttpSettings { ca_certs: vec![pem], ..quick() }).unwrap();
    let server = OpenSsl::start(directory.path(), "weak", &["-cipher", "DEFAULT:@SECLEVEL=0"]);
    let error = client.get(server.url()).send().await.unwrap_err();
    assert_eq!(kind(&error), TransportKind::Certificate);
    assert_eq!(
        report(&error, &[]).replace(&server.port.to_string(), "PORT"),
        "error: `GET https://127.0.0.1:PORT/` got no complete response\n\
         caused by: the server's certificate, or that of its authority, is signed with an unsupported algorithm\n\
         hint: supported: RSA with 2048 bits or more, ECDSA and Ed25519, with SHA-256, SHA-384 or SHA-512"
    );
}
