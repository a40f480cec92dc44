//! The texts by which errors of git, and of the programs that git runs, are recognised.
//!
//! These programs have no error codes, and print English texts with `LC_ALL=C`. The suite `git` provokes the texts from
//! the installed programs, so that a test fails if an upgrade changes one. A text that it cannot provoke names its source.

use jetway::ErrorText;
use jetway::Evidence::{OneOf, Source, Test};

use self::Meaning::{
    AtomicSideEffect, CannotAtomic, CannotFilter, CannotShallow, Certificate, CertificateName, ChangedHostKey,
    ExistingTag, GitCrypt, Incomplete, InheritedBranch, KeyRefused, Lfs, LfsLogin, Login, MovedRef, NoKey, NoLfs,
    OtherObjectFormat, Permanent, RedirectedLogin, Server, StaleLease, Status, Transient, UnadvertisedCommit,
    UnknownCommit, UnknownHostKey, UnknownRef, Unreached,
};

/// What an error text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The server is unreachable, or refuses a request.
    Server,
    /// The error may be transient.
    Transient,
    /// The error is permanent, whatever other texts say.
    Permanent,
    /// No request reached the server.
    Unreached,
    /// The HTTP status of the response follows.
    Status,
    /// The server has no such ref.
    UnknownRef,
    /// The server has no such commit.
    UnknownCommit,
    /// The server does not support the filter of a partial fetch.
    CannotFilter,
    /// The server's object format differs from that of the local repository.
    OtherObjectFormat,
    /// The server does not serve commits by hash.
    UnadvertisedCommit,
    /// The server does not support shallow fetches.
    CannotShallow,
    /// The server did not send all requested objects.
    Incomplete,
    /// The server does not support atomic pushes.
    CannotAtomic,
    /// A redirected request requires a login, which askpass does not give to another host.
    RedirectedLogin,
    /// The user or the password is missing or wrong.
    Login,
    /// ssh has no key that the server accepts, whatever else it accepts.
    NoKey,
    /// The server does not accept the key.
    KeyRefused,
    /// The server's host key is unknown.
    UnknownHostKey,
    /// The server's host key is not the known one.
    ChangedHostKey,
    /// The certificate is for another host name.
    CertificateName,
    /// The certificate is not acceptable.
    Certificate,
    /// A ref of a push has commits on the server that are not pushed.
    MovedRef,
    /// The lease of a push failed.
    StaleLease,
    /// A tag of a push exists on another object.
    ExistingTag,
    /// A ref of a push was refused only because another one was.
    AtomicSideEffect,
    /// A submodule inherits its branch from a repository that is on no branch.
    InheritedBranch,
    /// The error is one of git-lfs.
    Lfs,
    /// git-lfs is not installed.
    NoLfs,
    /// git-lfs has no credentials for the host of its files.
    LfsLogin,
    /// The error is one of git-crypt.
    GitCrypt,
}

/// The text before the status of a failed HTTP request: `The requested URL returned error: 503`.
pub(crate) const STATUS: &str = "returned error: ";

/// The text with which `tunnel` begins if the proxy refuses a connection.
pub(crate) const NO_TUNNEL: &str = "no tunnel to";

/// The first of the lines that git prints when ssh ends before the server has sent a byte.
pub(crate) const NO_GREETING: &str = "fatal: could not read from remote repository.";

/// The lines that git prints after [`NO_GREETING`]. At this log level, ssh since 10.0 prints nothing if the server
/// closes the connection before its greeting, and prints a line for every other error.
pub(crate) const AFTER_NO_GREETING: [&str; 2] =
    ["please make sure you have the correct access rights", "and the repository exists."];

/// The text before the name of a ref of a push that another push has locked or updated.
pub const LOCKED: &str = "cannot lock ref";

/// All texts.
pub const TABLE: &[ErrorText<Meaning>] = &[
    // git: connections and access.
    ErrorText::new(&["could not read from remote"], &[Server], Test),
    ErrorText::new(&["does not appear to be a git repository"], &[Server, Permanent], Test),
    ErrorText::new(&["early eof"], &[Server, Transient], Test),
    ErrorText::new(&["hung up"], &[Server], Test),
    ErrorText::new(&["hung up unexpectedly"], &[Transient], Test),
    ErrorText::new(&["remote error"], &[Server, Permanent], Test),
    ErrorText::new(&["rpc failed"], &[Server, Transient], Test),
    ErrorText::new(&["unable to access"], &[Server], Test),
    ErrorText::new(&["unable to connect to"], &[Server], Test),
    ErrorText::new(&["unexpected disconnect"], &[Server, Transient], Test),
    ErrorText::new(&[STATUS], &[Status], Test),
    // git: logins.
    ErrorText::new(&["authentication failed"], &[Server, Permanent, Login], Test),
    ErrorText::new(&["could not read username"], &[Server, Permanent, Login], Test),
    ErrorText::new(&["could not read password"], &[Server, Permanent, Login], Test),
    ErrorText::new(&["unable to read askpass response", "could not read username"], &[RedirectedLogin], Test),
    // git: fetches.
    ErrorText::new(&["couldn't find remote ref"], &[UnknownRef], Test),
    ErrorText::new(&["remote branch"], &[UnknownRef], Test),
    ErrorText::new(&["not our ref"], &[UnknownCommit, Permanent], Test),
    ErrorText::new(&["cannot obtain needed object "], &[UnknownCommit], Test),
    ErrorText::new(&["filter '", "not supported"], &[CannotFilter], Test),
    ErrorText::new(&["filter allows max depth"], &[CannotFilter], Test),
    ErrorText::new(&["mismatched algorithms"], &[OtherObjectFormat], Test),
    ErrorText::new(&["unsupported object format"], &[OtherObjectFormat], Source("servers other than git's")),
    ErrorText::new(&["unadvertised object"], &[UnadvertisedCommit], Test),
    ErrorText::new(&["want ", "not valid"], &[UnadvertisedCommit], Source("JGit, JGitText.properties: wantNotValid")),
    ErrorText::new(&["does not support shallow"], &[CannotShallow], Test),
    ErrorText::new(&["does not support --shallow"], &[CannotShallow], Test),
    ErrorText::new(&["shallow capabilities"], &[CannotShallow], Test),
    ErrorText::new(&["dumb http transport does not support"], &[CannotShallow], Test),
    ErrorText::new(&["did not send all necessary objects"], &[Incomplete], Test),
    ErrorText::new(&["branch configured to inherit branch from superproject"], &[InheritedBranch], Test),
    // git: pushes.
    ErrorText::new(&["does not support --atomic"], &[CannotAtomic], Test),
    ErrorText::new(&["fetch first"], &[MovedRef], Test),
    ErrorText::new(&["non-fast-forward"], &[MovedRef], Test),
    ErrorText::new(&[LOCKED], &[MovedRef], Test),
    ErrorText::new(&["failed to update ref"], &[MovedRef], OneOf("race", "git before 2.50, builtin/receive-pack.c")),
    ErrorText::new(
        &["incorrect old value"],
        &[MovedRef],
        OneOf("race", "git since 2.50, refs.c: ref_transaction_error_msg"),
    ),
    ErrorText::new(&["stale info"], &[MovedRef, StaleLease], Test),
    ErrorText::new(&["already exists"], &[ExistingTag], Test),
    ErrorText::new(&["atomic push failed"], &[AtomicSideEffect], Test),
    ErrorText::new(&["atomic push failure"], &[AtomicSideEffect], Test),
    // curl, whose texts about TLS differ by the library that it was built with.
    ErrorText::new(&["could not resolve"], &[Server], Test),
    ErrorText::new(&["could not resolve host"], &[Transient, Unreached], Test),
    ErrorText::new(
        &["couldn't connect to server"],
        &[Transient, Unreached],
        OneOf("connection", "curl, lib/strerror.c"),
    ),
    ErrorText::new(&["failed to connect"], &[Transient, Unreached], OneOf("connection", "curl, lib/connect.c")),
    ErrorText::new(&["connection reset"], &[Transient], Test),
    ErrorText::new(&["empty reply from server"], &[Transient], Test),
    ErrorText::new(&["transfer closed"], &[Transient], Test),
    ErrorText::new(
        &["error in the pull function"],
        &[Transient],
        OneOf("TLS", "GnuTLS, lib/errors.c: GNUTLS_E_PULL_ERROR"),
    ),
    ErrorText::new(&["gnutls recv error"], &[Transient], OneOf("TLS", "curl, lib/vtls/gtls.c: gtls_recv")),
    ErrorText::new(
        &["non-properly terminated"],
        &[Transient],
        OneOf("TLS", "GnuTLS, lib/errors.c: GNUTLS_E_PREMATURE_TERMINATION"),
    ),
    ErrorText::new(&["certificate"], &[Server, Permanent, Certificate], Test),
    ErrorText::new(&["does not match target host"], &[CertificateName], OneOf("host name", "curl, lib/vtls/gtls.c")),
    ErrorText::new(
        &["certificate subject name matches"],
        &[CertificateName],
        OneOf("host name", "curl, lib/vtls/openssl.c"),
    ),
    // ssh.
    ErrorText::new(&["banner exchange"], &[Transient, Unreached], Test),
    ErrorText::new(&["connection closed by"], &[Transient], Test),
    ErrorText::new(&["connection refused"], &[Transient], Test),
    ErrorText::new(&["connection timed out"], &[Transient], Test),
    ErrorText::new(&["kex_exchange_identification"], &[Transient, Unreached], Test),
    ErrorText::new(&["ssh: connect to host"], &[Unreached], Test),
    ErrorText::new(&["permission denied"], &[Permanent], Test),
    ErrorText::new(&["permission denied ("], &[NoKey], Test),
    ErrorText::new(&["permission denied (publickey"], &[KeyRefused], Test),
    ErrorText::new(&["host key verification failed"], &[Permanent, UnknownHostKey, ChangedHostKey], Test),
    ErrorText::new(&["remote host identification has changed"], &[ChangedHostKey], Test),
    // Servers, and the programs of this crate.
    ErrorText::new(&["access denied"], &[Permanent], Source("GitLab, lib/gitlab/auth.rb: HTTP Basic: Access denied")),
    ErrorText::new(&["repository not found"], &[Permanent], Source("GitHub, by ssh and https: Repository not found.")),
    ErrorText::new(&[NO_TUNNEL], &[Permanent], Source("tunnel.rs")),
    // git-lfs and git-crypt.
    ErrorText::new(&["git-lfs"], &[Lfs], Test),
    ErrorText::new(&["smudge filter lfs"], &[Lfs], Test),
    ErrorText::new(&["lfs:"], &[Lfs], Source("git-lfs, lfshttp/errors.go: LFS: ...")),
    ErrorText::new(&["git-lfs: not found"], &[NoLfs], Test),
    ErrorText::new(&["git-lfs: command not found"], &[NoLfs], Source("bash, execute_cmd.c, where `sh` is bash")),
    ErrorText::new(&["git-lfs: no such file"], &[NoLfs], Source("git, run-command.c: cannot run git-lfs")),
    ErrorText::new(
        &["authentication required"],
        &[LfsLogin],
        Source("git-lfs, errors/types.go: Authentication required"),
    ),
    ErrorText::new(&["authorization error"], &[LfsLogin], Source("git-lfs, lfshttp/errors.go: Authorization error")),
    ErrorText::new(&["credentials"], &[LfsLogin], Source("git-lfs, creds/creds.go: Git credentials for %s not found")),
    ErrorText::new(&["git-crypt"], &[GitCrypt], Test),
];

/// Whether a message, in lower case, has a text with this meaning.
pub fn means(message: &str, meaning: Meaning) -> bool {
    ErrorText::means(TABLE, message, &meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_lower_case_and_unique() {
        for (index, text) in TABLE.iter().enumerate() {
            assert!(!text.parts.is_empty() && !text.meanings.is_empty(), "{text:?}");
            assert!(text.parts.iter().all(|part| part.to_lowercase() == *part), "{text:?}");
            assert!(TABLE.iter().skip(index + 1).all(|other| other.parts != text.parts), "{text:?}");
        }
    }
}
