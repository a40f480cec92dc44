//! No core dump of a process that holds secrets.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps of this process, and by the limit those of its children. A kernel that hands dumps to a program does
/// not look at the limit, so the process is made undumpable too; that also keeps other processes of the user out of its memory.
pub(crate) fn forbid() {
    // A system that refuses either is as safe as it was before.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
