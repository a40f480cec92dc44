//! Verifies that a trusted key has signed a commit.
//!
//! `gpgv` and `ssh-keygen` verify the signature. They use only the keys of the source: no keyring of the machine, no
//! agent and no web of trust.

mod keyserver;
mod signature;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use git2::{ObjectType, Oid, Repository};
use jetway::http::{HttpSettings, TimeoutKeys};
use jetway::{Advise as _, Context, Finished, Result, anyhow};

use self::signature::SignedCommit;
use crate::raw_commit::RawCommit;
use crate::source::Source;
use crate::source::key_id::KeyId;
use crate::source::openpgp;

/// The private files.
const KEYRING: &str = "trusted.gpg";
const ALLOWED_SIGNERS: &str = "allowed_signers";
const SIGNATURE: &str = "signature";

/// The namespace of git's SSH signatures. A signature made for another purpose does not verify.
const NAMESPACE: &str = "git";

/// The prefix of the status lines that gpg prints for programs (`doc/DETAILS` in its sources).
const STATUS: &str = "[GNUPG:] ";

/// The keys whose signatures are accepted.
pub(crate) struct TrustedKeys<'c> {
    context: &'c Context,
    /// The keyring file with the GPG keys.
    keyring: Option<PathBuf>,
    /// The file with the SSH keys, in the allowed signers format.
    allowed_signers: Option<PathBuf>,
}

impl<'c> TrustedKeys<'c> {
    /// Collects the keys; `None` if the source requires no signature.
    pub(crate) async fn collect(context: &'c Context, source: &Source) -> Result<Option<Self>> {
        // Verification is on if one of these keys is set. If no trusted key results from it, every commit is refused.
        if source.commit_verification_keys.is_empty()
            && source.commit_verification_key_ids.is_empty()
            && source.allowed_signers.is_none()
        {
            return Ok(None);
        }
        let mut keys = Vec::new();
        for (index, key) in source.commit_verification_keys.iter().enumerate() {
            keys.extend(
                openpgp::public_keys(key)
                    .map_err(|found| anyhow!("Invalid GPG key in: {found} (commit_verification_keys[{index}])"))?,
            );
        }
        for id in &source.commit_verification_key_ids {
            let id = KeyId::parse(id).map_err(|problem| anyhow!("`{id}` {problem}"))?;
            context.console().step(format_args!("fetching a GPG key from {}", source.gpg_keyserver));
            let (ca_certs, read_timeout) = (source.ca_certs.clone(), source.server_timeout());
            let timeout_keys = TimeoutKeys { connect: "network_timeout", read: "network_timeout" };
            let connect_timeout = read_timeout;
            let settings =
                HttpSettings { ca_certs, connect_timeout, read_timeout, timeout_keys, ..HttpSettings::default() };
            keys.push(keyserver::fetch(context, settings, &source.gpg_keyserver, &id).await?);
        }
        let private = context.private_directory();
        let packets: Vec<u8> = openpgp::merged(keys).iter().flat_map(openpgp::PublicKey::packets).collect();
        let keyring = (!packets.is_empty()).then(|| private.write(KEYRING, &packets)).transpose()?;
        let signers = source.allowed_signers.as_deref();
        let allowed_signers = signers.map(|text| private.write(ALLOWED_SIGNERS, format!("{text}\n").as_bytes()));
        Ok(Some(Self { context, keyring, allowed_signers: allowed_signers.transpose()? }))
    }

    /// Fails unless one of the keys has signed the commit.
    pub(crate) async fn verify(&self, repository: &Repository, commit: Oid) -> Result<()> {
        let database = repository.odb()?;
        // The version may be an annotated tag: verify its commit, which is checked out.
        let commit = match database.read_header(commit) {
            Ok((_, ObjectType::Tag)) => repository.find_object(commit, None)?.peel(ObjectType::Commit)?.id(),
            _ => commit,
        };
        let object = database.read(commit).with_context(|| format!("cannot read commit `{commit}`"))?;
        let not_signed = || format!("The commit {commit} is not signed by a key that the source names");
        let Some(signed) = SignedCommit::parse(object.data(), repository.object_format()).with_context(not_signed)?
        else {
            return Err(anyhow!("The commit {commit} is not signed"));
        };
        let armour = signed.signature.trim_start();
        let by = if armour.starts_with("-----BEGIN PGP ") {
            self.verify_openpgp(&signed).await
        } else if armour.starts_with("-----BEGIN SSH SIGNATURE-----") {
            self.verify_ssh(&signed, &RawCommit::read(repository, commit)?).await
        } else {
            Err(anyhow!("its signature is neither an OpenPGP nor an SSH signature"))
        };
        let by = by.with_context(not_signed)?;
        self.context.console().step(format_args!("commit {commit} has a good signature by {by}"));
        Ok(())
    }

    /// Verifies a GPG signature; returns the signer.
    async fn verify_openpgp(&self, signed: &SignedCommit) -> Result<String> {
        let keyring = self.keyring.as_ref().ok_or_else(|| {
            anyhow!("it is signed with a GPG key, but the source names only SSH keys")
                .hint("add the GPG key to `commit_verification_keys`")
        })?;
        let private = self.context.private_directory();
        let signature = openpgp::signature(&signed.signature)
            .map_err(|found| anyhow!("cannot parse its signature: found {found}"))?;
        let signature = private.write(SIGNATURE, &signature)?;
        let gpgv = self.context.command("gpgv").args(["--status-fd", "1", "--homedir"]).arg(private.path()?);
        let gpgv = gpgv.arg("--keyring").arg(keyring).arg("--").arg(signature).arg("-");
        let finished = gpgv.env("LC_ALL", "C").input(signed.content.clone()).quiet().run().await?;
        openpgp_signer(&finished)
    }

    /// Verifies an SSH signature; returns the signer.
    async fn verify_ssh(&self, signed: &SignedCommit, commit: &RawCommit) -> Result<String> {
        let signers = self.allowed_signers.as_ref().ok_or_else(|| {
            anyhow!("it is signed with an SSH key, but the source names only GPG keys")
                .hint("add the SSH key to `allowed_signers`")
        })?;
        let signature = self.context.private_directory().write(SIGNATURE, signed.signature.as_bytes())?;
        // Keys may be limited in time (`valid-before`). Check them at the commit time, as git does.
        let when = jiff::Timestamp::from_second(commit.committer.when.seconds()).context("its date is invalid")?;
        let when = format!("-Overify-time={}", when.strftime("%Y%m%d%H%M%S"));
        let found = self.ssh_keygen("find-principals", &signature, &[&when]).arg("-f").arg(signers);
        let found = found.run().await?;
        let principals = if found.is_success() { found.text() } else { String::new() };
        for principal in principals.lines().filter(|line| !line.is_empty()) {
            let verify = self.ssh_keygen("verify", &signature, &[&when, "-n", NAMESPACE, "-I", principal]);
            let verify = verify.arg("-f").arg(signers).input(signed.content.clone()).run().await?;
            if verify.is_success() {
                return Ok(verify.text().trim_start_matches("Good \"git\" signature for ").to_owned());
            }
        }
        let sound = self.ssh_keygen("check-novalidate", &signature, &["-n", NAMESPACE]);
        let sound = sound.input(signed.content.clone()).run().await?;
        Err(if sound.is_success() {
            let by = sound.text().rsplit(" key ").next().unwrap_or_default().to_owned();
            anyhow!("it is signed by the SSH key `{by}`, which `allowed_signers` does not allow at the commit time")
        } else {
            sound.failure().context("its signature does not match: the commit was changed after it was signed")
        })
    }

    fn ssh_keygen(&self, task: &str, signature: &Path, options: &[&str]) -> jetway::Command {
        let command = self.context.command("ssh-keygen").label(format!("ssh-keygen -Y {task}"));
        // `ssh-keygen` reads times without a zone, also in `allowed_signers`, in its local time zone.
        command.env("LC_ALL", "C").env("TZ", "UTC").args(["-Y", task, "-s"]).arg(signature).args(options).quiet()
    }
}

/// Parses gpgv's status lines; returns the signer if there is exactly one good signature.
fn openpgp_signer(finished: &Finished) -> Result<String> {
    /// Each signature has exactly one of these status lines.
    const VERDICTS: [&str; 6] = ["GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"];
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    let statuses = || {
        text.lines().filter_map(|line| line.strip_prefix(STATUS)).map(|line| line.split_once(' ').unwrap_or((line, "")))
    };
    let argument = |word: &str| statuses().find(|(found, _)| *found == word).map(|(_, arguments)| arguments);
    let verdicts: Vec<(&str, &str)> = statuses().filter(|(word, _)| VERDICTS.contains(word)).collect();
    let [(verdict, arguments)] = verdicts.as_slice() else { return Err(finished.failure()) };
    let (id, user) = arguments.split_once(' ').unwrap_or((arguments, ""));
    match *verdict {
        "GOODSIG" if finished.is_success() => {
            let fingerprint = argument("VALIDSIG").and_then(|arguments| arguments.split(' ').next_back());
            let fingerprint = fingerprint.ok_or_else(|| finished.failure())?;
            Ok(format!("{user} ({fingerprint})"))
        }
        "ERRSIG" if argument("NO_PUBKEY").is_some() => {
            Err(anyhow!("it is signed by the GPG key `{id}`, which the source does not name"))
        }
        "BADSIG" => Err(anyhow!("it was changed after the GPG key `{id}` signed it")),
        "EXPSIG" => Err(anyhow!("the signature by the GPG key `{id}` has expired")),
        "EXPKEYSIG" => Err(anyhow!("the GPG key `{id}` ({user}) has expired")
            .hint("if its owner has extended its validity, update the key in the source")),
        "REVKEYSIG" => Err(anyhow!("the GPG key `{id}` ({user}) has been revoked")),
        _ => Err(finished.failure()),
    }
}
