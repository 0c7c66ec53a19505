//! Names for addresses: functions of processes and of the kernel, C++ and Rust names demangled.
//!
//! Nothing here costs anything before the first address is asked for.
//!
//! # Processes that are gone
//! A stack is often printed long after it was taken, when its process has exited and `/proc/PID/maps` with it.
//! So what a process maps is remembered while it lives, with the mapped files held open: at the start for the
//! processes that are traced ([`Symbols::remember`]), and again by the session from time to time while the script
//! collects stacks. Files are held once, however many processes map them; they are opened through the
//! process's own links, so deleted files and other mount namespaces work.
//!
//! # Addresses
//! An address lies in a mapping, the mapping in a file: what is looked up is the offset in the file, so it does not
//! matter where the file was mapped. Return addresses of a stack point behind the call; for all frames but the
//! innermost the byte before is looked up, and the offset is still given of the address itself.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use blazesym::MaybeDefault;
use blazesym::symbolize::source::{Elf, Kernel, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};

use crate::events::Frame;
use crate::process::{FileId, Process};

/// Looks addresses up and remembers the answers.
pub struct Symbols {
    symbolizer: Option<Symbolizer>,
    processes: HashMap<u32, Vec<Code>>,
    files: HashMap<FileId, Object>,
    answers: HashMap<(Option<u32>, u64, bool), Frame>,
}

/// A mapping of a file.
#[derive(Clone, Debug)]
struct Code {
    start: u64,
    end: u64,
    offset: u64,
    name: String,
    /// `None` for what is not a file: the vdso, code that was compiled at run time.
    file: Option<FileId>,
}

/// A mapped file that is held open.
#[derive(Debug)]
struct Object {
    path: PathBuf,
    _file: File,
}

/// Answers that are kept; more are forgotten and looked up again.
const ANSWERS: usize = 100_000;

impl Default for Symbols {
    fn default() -> Self {
        Symbols::new()
    }
}

impl Symbols {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Symbols {
            symbolizer: None,
            processes: HashMap::new(),
            files: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    /// Remembers what a process maps now. A process that cannot be read keeps what is known of it.
    pub fn remember(&mut self, pid: u32) {
        let Ok(process) = Process::read(pid) else { return };
        let mut code = Vec::new();
        for mapped in process.files() {
            let Ok(opened) = process.open(&mapped) else { continue };
            let path = PathBuf::from(format!("/proc/self/fd/{}", opened.file.as_raw_fd()));
            self.files.entry(opened.id).or_insert(Object { path, _file: opened.file });
            let name = mapped.name.to_string_lossy();
            for mapping in mapped.mappings.iter().filter(|m| m.execute) {
                code.push(Code {
                    start: mapping.start,
                    end: mapping.end,
                    offset: mapping.offset,
                    name: name.clone().into_owned(),
                    file: Some(opened.id),
                });
            }
        }
        for mapping in process.mappings.iter().filter(|m| m.execute && m.is_anonymous()) {
            code.push(Code {
                start: mapping.start,
                end: mapping.end,
                offset: 0,
                name: String::from_utf8_lossy(&mapping.name).into_owned(),
                file: None,
            });
        }
        code.sort_by_key(|c| c.start);
        self.processes.insert(pid, code);
    }

    /// Whether it is remembered what a process maps.
    pub fn knows(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// The symbol at an address of a process, or of the kernel; `call` says that it is the return address of a call.
    pub fn look_up(&mut self, address: u64, pid: Option<u32>, call: bool) -> Frame {
        let key = (pid, address, call);
        if let Some(frame) = self.answers.get(&key) {
            return frame.clone();
        }
        let frame = match pid {
            Some(pid) => self.in_process(address, pid, call),
            None => self.in_kernel(address, call),
        };
        if self.answers.len() >= ANSWERS {
            self.answers.clear();
        }
        self.answers.insert(key, frame.clone());
        frame
    }

    fn in_process(&mut self, address: u64, pid: u32, call: bool) -> Frame {
        let unknown = Frame { address, ..Frame::default() };
        let found = match self.code_at(pid, address) {
            Some(code) => Some(code),
            None => {
                self.remember(pid);
                self.code_at(pid, address)
            }
        };
        let Some(code) = found else { return unknown };
        let object = Some(code.name).filter(|name| !name.is_empty());
        let Some(file) = code.file.and_then(|id| self.files.get(&id)) else {
            return Frame { object, ..unknown };
        };
        let source = Source::Elf(Elf::new(&file.path));
        let offset = address - code.start + code.offset;
        let looked_up = offset.saturating_sub(u64::from(call));
        let frame = self.ask(&source, Input::FileOffset(looked_up), address, offset - looked_up);
        Frame { object, ..frame.unwrap_or(unknown) }
    }

    fn in_kernel(&mut self, address: u64, call: bool) -> Frame {
        let source = Source::Kernel(Kernel { vmlinux: MaybeDefault::None, ..Kernel::default() });
        let call = u64::from(call);
        let frame = self.ask(&source, Input::AbsAddr(address.saturating_sub(call)), address, call);
        frame.unwrap_or(Frame { address, ..Frame::default() })
    }

    fn code_at(&self, pid: u32, address: u64) -> Option<Code> {
        let code = self.processes.get(&pid)?;
        let after = code.partition_point(|c| c.start <= address);
        code[..after].last().filter(|c| address < c.end).cloned()
    }

    /// Asks for the place `before` bytes in front of `address`.
    fn ask(&mut self, source: &Source<'_>, input: Input<u64>, address: u64, before: u64) -> Option<Frame> {
        let symbolizer = self.symbolizer.get_or_insert_with(|| {
            Symbolizer::builder()
                .enable_auto_reload(false)
                .enable_code_info(false)
                .enable_inlined_fns(false)
                .enable_demangling(true)
                .build()
        });
        match symbolizer.symbolize_single(source, input) {
            Ok(Symbolized::Sym(symbol)) => Some(Frame {
                address,
                function: Some(symbol.name.into_owned()),
                offset: symbol.offset as u64 + before,
                object: symbol.module.map(|m| m.to_string_lossy().into_owned()),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    extern "C" fn a_function_of_our_own() -> u32 {
        std::process::id()
    }

    #[test]
    fn finds_a_function_of_this_process_and_demangles_it() {
        let address = a_function_of_our_own as *const () as u64;
        let mut symbols = Symbols::new();
        let frame = symbols.look_up(address + 3, Some(a_function_of_our_own()), false);
        let function = frame.function.expect("a function");
        assert!(function.contains("symbols::tests::a_function_of_our_own"), "{function}");
        assert_eq!((frame.address, frame.offset), (address + 3, 3));
        assert!(frame.object.is_some_and(|o| o.contains("stapes_session")));
    }

    #[test]
    fn a_return_address_belongs_to_the_function_before_it() {
        let address = a_function_of_our_own as *const () as u64;
        let mut symbols = Symbols::new();
        let frame = symbols.look_up(address, Some(std::process::id()), true);
        let function = frame.function.unwrap_or_default();
        assert!(!function.contains("a_function_of_our_own"), "{function}");
    }

    #[test]
    fn nothing_is_known_about_nowhere() {
        let frame = Symbols::new().look_up(8, Some(std::process::id()), false);
        assert_eq!(frame, Frame { address: 8, ..Frame::default() });
        let frame = Symbols::new().look_up(8, Some(u32::MAX), false);
        assert_eq!(frame, Frame { address: 8, ..Frame::default() });
    }
}
