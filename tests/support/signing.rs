//! Keys of `gpg` and `ssh-keygen`, with which git signs commits.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::repository::Repository;
use crate::{git, scratch};

/// The time of keys that expired long ago, as gpg reads it.
const LONG_AGO: &str = "20200101T000000!";

/// GPG with a private home directory. Its agent ends when it is dropped.
pub struct Gpg {
    home: TempDir,
}

/// A signing key.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The fingerprint of the primary key.
    pub fingerprint: String,
    /// The public key in its armour.
    pub public: String,
    /// The git settings for signing with it.
    settings: Vec<String>,
}

impl Gpg {
    /// Creates a home directory without keys.
    pub fn new() -> Self {
        Self { home: scratch::directory() }
    }

    /// A key that signs and never expires.
    pub fn signer(&self, name: &str) -> Signer {
        self.generate(name, "never", None)
    }

    /// A key that expired long ago, two days after its creation. Its signatures date from before the expiry.
    pub fn expired_signer(&self, name: &str) -> Signer {
        self.generate(name, "2d", Some(LONG_AGO))
    }

    /// A key that signs by a subkey.
    pub fn signer_by_subkey(&self, name: &str) -> Signer {
        let signer = self.generate(name, "never", None);
        self.gpg(&["--quick-add-key", &signer.fingerprint, "ed25519", "sign", "never"]);
        Signer { public: self.exported(&signer.fingerprint), ..signer }
    }

    /// The public key after its owner removed the expiry.
    pub fn renewed(&self, signer: &Signer) -> String {
        self.gpg(&["--quick-set-expire", &signer.fingerprint, "0"]);
        self.exported(&signer.fingerprint)
    }

    /// The public key after its owner revoked it.
    pub fn revoked(&self, signer: &Signer) -> String {
        let certificate = self.home.path().join("openpgp-revocs.d").join(format!("{}.rev", signer.fingerprint));
        let text = fs::read_to_string(&certificate).expect("gpg leaves a certificate beside each key");
        // A colon keeps people from using it by mistake.
        fs::write(&certificate, text.replace(":-----BEGIN", "-----BEGIN")).expect("write the certificate");
        self.gpg(&["--import", certificate.to_str().expect("UTF-8")]);
        self.exported(&signer.fingerprint)
    }

    fn generate(&self, name: &str, expiry: &str, time: Option<&str>) -> Signer {
        let user = format!("{name} <{}@example.com>", name.to_lowercase());
        let mut arguments: Vec<&str> = time.into_iter().flat_map(|time| ["--faked-system-time", time]).collect();
        arguments.extend(["--quick-gen-key", &user, "ed25519", "sign", expiry]);
        self.gpg(&arguments);
        let listed = self.gpg(&["--with-colons", "--list-keys", &format!("={user}")]);
        let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).expect("a fingerprint");
        let fingerprint = fingerprint.trim_end_matches(':').to_owned();
        // git calls one program and does not accept arguments for it.
        let program = self.home.path().join(format!("gpg-as-{name}"));
        let time = time.map(|time| format!("--faked-system-time {time} ")).unwrap_or_default();
        let home = self.home.path().display();
        fs::write(&program, format!("#!/bin/sh\nexec gpg --homedir {home} --batch {time}\"$@\"\n")).expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("make it executable");
        let settings = vec![format!("gpg.program={}", program.display()), format!("user.signingKey={fingerprint}")];
        Signer { public: self.exported(&fingerprint), fingerprint, settings }
    }

    fn exported(&self, fingerprint: &str) -> String {
        self.gpg(&["--armor", "--export", fingerprint])
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let mut gpg = program("gpg");
        gpg.arg("--homedir").arg(self.home.path()).args(["--batch", "--pinentry-mode", "loopback", "--passphrase", ""]);
        answer(gpg.args(arguments), arguments)
    }
}

impl Default for Gpg {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = program("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).output();
    }
}

/// A person with an SSH key.
pub struct SshSigner {
    directory: TempDir,
    /// The public key, in the format of an `allowed_signers` file.
    pub public: String,
}

impl SshSigner {
    /// Creates a key of a type that `ssh-keygen` supports.
    pub fn new(kind: &str) -> Self {
        let directory = scratch::directory();
        let file = directory.path().join("key");
        let arguments = ["-q", "-t", kind, "-N", "", "-C", "", "-f", file.to_str().expect("UTF-8")];
        answer(program("ssh-keygen").args(arguments), &arguments);
        let public = fs::read_to_string(directory.path().join("key.pub")).expect("a public key").trim().to_owned();
        Self { directory, public }
    }

    /// The committer that signs with it.
    pub fn signer(&self) -> Signer {
        let key = self.key();
        Signer {
            fingerprint: answer(program("ssh-keygen").args(["-l", "-f"]).arg(&key), &["-l"])
                .split(' ')
                .nth(1)
                .expect("a fingerprint")
                .to_owned(),
            public: self.public.clone(),
            settings: vec!["gpg.format=ssh".to_owned(), format!("user.signingKey={}", key.display())],
        }
    }

    /// An armored signature of `content` for any purpose.
    pub fn sign(&self, namespace: &str, content: &str) -> String {
        let file = self.directory.path().join("content");
        fs::write(&file, content).expect("write what is signed");
        let arguments = ["-Y", "sign", "-n", namespace, "-f"];
        answer(program("ssh-keygen").args(arguments).arg(self.key()).arg(&file), &arguments);
        let signature = self.directory.path().join("content.sig");
        let text = fs::read_to_string(&signature).expect("a signature");
        fs::remove_file(signature).expect("remove it");
        text
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("key")
    }
}

impl Repository {
    /// Commits a file to `main`, signed.
    pub fn signed_commit(&self, signer: &Signer, message: &str, file: (&str, &str)) -> String {
        let unsigned = self.commit(message, &[file]);
        let mut arguments: Vec<&str> = signer.settings.iter().flat_map(|setting| ["-c", setting]).collect();
        let tree = format!("{unsigned}^{{tree}}");
        let listed = self.git(&["rev-list", "--parents", "-1", &unsigned]);
        arguments.extend(["commit-tree", "-S", "-m", message, &tree]);
        arguments.extend(listed.split(' ').skip(1).flat_map(|parent| ["-p", parent]));
        let commit = self.git(&arguments);
        self.move_branch("main", &commit);
        commit
    }

    /// Writes the text as a commit object without validation, and moves `main` there.
    pub fn raw_commit(&self, text: &str) -> String {
        let file = self.root().join("commit");
        fs::write(&file, text).expect("write the commit's text");
        let commit = self.git(&["hash-object", "-t", "commit", "-w", file.to_str().expect("UTF-8")]);
        self.move_branch("main", &commit);
        commit
    }
}

fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", git::search_path()).env("HOME", "/nonexistent").env("LC_ALL", "C");
    command.current_dir(Path::new("/")).stdin(Stdio::null());
    command
}

fn answer(command: &mut Command, arguments: &[&str]) -> String {
    let output: Output = command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed ({}): {messages}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}
