//! Disables core dumps, which would contain secrets.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Disables core dumps of this process and, by the inherited limit, of its children. The kernel ignores the limit if it pipes
/// dumps to a program, so the process is made undumpable too. That also prevents other processes of the user from reading its
/// memory.
pub(crate) fn forbid() {
    // Ignore a failure, because it does not make the process less safe.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
