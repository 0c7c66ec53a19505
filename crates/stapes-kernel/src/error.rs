//! What failed, on what, and what may help.

use std::fmt;
use std::io;

/// A system call that failed, or something the engine could not do.
///
/// Shown as ``BPF_PROG_LOAD of `usdt_0`: operation not permitted (EPERM)``; the hint and the log are for
/// the caller to print.
#[derive(Clone, Debug)]
pub struct Error {
    /// What was called, by the name the manual pages use: `BPF_PROG_LOAD`, `perf_event_open`, `open`.
    pub call: &'static str,
    /// The error number; 0 where the reason is not the kernel's.
    pub errno: i32,
    /// What it was called on: a program's or map's name, a path.
    pub object: String,
    /// The reason in words, where it is not just the errno's.
    pub reason: Option<String>,
    /// What may help.
    pub hint: Option<String>,
    /// The verifier's log.
    pub log: Option<String>,
}

impl Error {
    pub(crate) fn new(call: &'static str, object: impl Into<String>, error: &io::Error) -> Error {
        let errno = error.raw_os_error().unwrap_or(0);
        let hint = match errno {
            libc::EPERM | libc::EACCES if call.starts_with("BPF_") || call == "perf_event_open" => {
                Some(privilege_hint(has_privileges(), in_user_namespace()).to_owned())
            }
            _ => None,
        };
        let reason = if errno == 0 { Some(error.to_string()) } else { None };
        Error { call, errno, object: object.into(), reason, hint, log: None }
    }

    /// An error of the engine's own, without a system call's number.
    pub(crate) fn other(call: &'static str, object: impl Into<String>, reason: impl Into<String>) -> Error {
        Error { call, errno: 0, object: object.into(), reason: Some(reason.into()), hint: None, log: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_log(mut self, log: String) -> Error {
        self.log = Some(log);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}`: ", self.call, self.object)?;
        match &self.reason {
            Some(reason) => f.write_str(reason),
            None => f.write_str(&errno_text(self.errno)),
        }
    }
}

impl std::error::Error for Error {}

/// What to say of a refusal, by whether we have what it takes.
fn privilege_hint(privileged: bool, in_user_namespace: bool) -> &'static str {
    if privileged && in_user_namespace {
        "this is a user namespace, whose root has no such privileges: run it outside"
    } else if privileged {
        "the privileges are there: a container's seccomp filter or the kernel's lockdown mode forbids it"
    } else {
        "needs CAP_BPF and CAP_PERFMON; try sudo"
    }
}

/// Whether this process has CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN which includes both (capabilities(7)).
fn has_privileges() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON_AND_BPF: u64 = 1 << 38 | 1 << 39;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    effective & SYS_ADMIN != 0 || effective & PERFMON_AND_BPF == PERFMON_AND_BPF
}

/// Whether users here are others outside: root of a user namespace is root of nothing else (user_namespaces(7)).
fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && map.split_whitespace().ne(["0", "0", "4294967295"])
}

/// An error number in words and by name: `no such file or directory (ENOENT)`.
fn errno_text(errno: i32) -> String {
    let text = match errno {
        // ENOTSUPP leaks from the kernel's inside and has no text of its own.
        524 => "operation not supported".to_owned(),
        _ => io::Error::from_raw_os_error(errno).to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    let lower: String =
        characters.next().into_iter().flat_map(char::to_lowercase).chain(characters).collect();
    match errno_name(errno) {
        Some(name) => format!("{lower} ({name})"),
        None => format!("{lower} (errno {errno})"),
    }
}

/// The names of the numbers that the calls of this crate give.
fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::E2BIG => "E2BIG",
        libc::EACCES => "EACCES",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EFAULT => "EFAULT",
        libc::EINTR => "EINTR",
        libc::EINVAL => "EINVAL",
        libc::EIO => "EIO",
        libc::EISDIR => "EISDIR",
        libc::ELOOP => "ELOOP",
        libc::EMFILE => "EMFILE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENFILE => "ENFILE",
        libc::ENODEV => "ENODEV",
        libc::ENOENT => "ENOENT",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTDIR => "ENOTDIR",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EPERM => "EPERM",
        libc::ERANGE => "ERANGE",
        libc::ESRCH => "ESRCH",
        524 => "ENOTSUPP",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Error, privilege_hint};
    use std::io;

    fn shown(call: &'static str, object: &str, errno: i32) -> String {
        Error::new(call, object, &io::Error::from_raw_os_error(errno)).to_string()
    }

    #[test]
    fn says_call_object_and_errno() {
        assert_eq!(
            shown("BPF_PROG_LOAD", "usdt_0", libc::EPERM),
            "BPF_PROG_LOAD of `usdt_0`: operation not permitted (EPERM)"
        );
        assert_eq!(
            shown("open", "/no/such", libc::ENOENT),
            "open of `/no/such`: no such file or directory (ENOENT)"
        );
        assert_eq!(
            shown("BPF_LINK_CREATE", "a", 524),
            "BPF_LINK_CREATE of `a`: operation not supported (ENOTSUPP)"
        );
    }

    #[test]
    fn missing_privilege_has_a_hint() {
        let hint = |call, errno| Error::new(call, "x", &io::Error::from_raw_os_error(errno)).hint;
        assert!(hint("BPF_MAP_CREATE", libc::EPERM).is_some());
        assert!(hint("perf_event_open", libc::EACCES).is_some());
        assert_eq!(hint("open", libc::EACCES), None);
        assert_eq!(hint("BPF_MAP_CREATE", libc::ENOMEM), None);
        assert_eq!(privilege_hint(false, false), "needs CAP_BPF and CAP_PERFMON; try sudo");
        assert!(privilege_hint(true, true).contains("user namespace"));
    }
}
