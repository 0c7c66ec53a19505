//! What the tests share: skipping, targets, objects.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use stapes_bpf::assembler::Assembler;
use stapes_bpf::insn::{Alu, Atomic, Jump, Size};
use stapes_bpf::{
    Aggregate, Attachment, Event, EventKind, Image, Insn, LossCause, Map, MapKind, MapRole, Object, Point,
    Program, ProgramKind, Type, Value,
};
use stapes_kernel::{LoadOptions, Loaded, Method};

/// Says that a test did not run, and why.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

/// The right to be the only test that runs: a process that another test is just starting would hold copies
/// of our descriptors until its exec, and so put off what closing them does.
pub(crate) type Alone = MutexGuard<'static, ()>;

/// Whether BPF programs can be loaded here; if not, says that `test` is skipped.
pub(crate) fn can_load(test: &str) -> Option<Alone> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    static CAN: OnceLock<Result<(), String>> = OnceLock::new();
    let can = CAN.get_or_init(|| {
        let object = Object { programs: vec![program("nothing", exit_code())], ..Object::default() };
        Loaded::load(object, &LoadOptions::default()).map(drop).map_err(|e| e.to_string())
    });
    if let Err(reason) = can {
        skip(test, reason);
    }
    can.is_ok().then_some(alone)
}

/// A place in a compiled target, as readelf shows it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) semaphore: u64,
    pub(crate) semaphore_address: u64,
    pub(crate) arguments: String,
}

/// A compiled program.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    pub(crate) sites: Vec<Site>,
    _folder: tempfile::TempDir,
    _alone: Alone,
}

/// Compiles a source in `tests/targets`; each call makes a new file, so tests do not see each other's probes.
pub(crate) fn compile(test: &str, source: &str, flags: &[&str]) -> Option<Binary> {
    let alone = can_load(test)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets").join(source);
    let result = Command::new("cc")
        .args(["-O2", "-g", "-o"])
        .arg(&path)
        .arg(source)
        .args(flags)
        .arg("-lpthread")
        .output();
    match result {
        Err(e) => {
            skip(test, &format!("cc: {e}"));
            return None;
        }
        Ok(output) if !output.status.success() => {
            skip(
                test,
                &format!("cc: {}", String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
            );
            return None;
        }
        Ok(_) => {}
    }
    let sites = sites(&path);
    Some(Binary { path, sites, _folder: folder, _alone: alone })
}

/// The target that all but special tests use.
pub(crate) fn target(test: &str) -> Option<Binary> {
    compile(test, "target.c", &[])
}

impl Binary {
    pub(crate) fn image(&self) -> Image {
        let path = self.path.to_str().unwrap().to_owned();
        Image { name: "target".to_owned(), path, pids: Vec::new() }
    }

    /// The sites of a probe.
    pub(crate) fn probe(&self, name: &str) -> Vec<Site> {
        let found: Vec<_> = self.sites.iter().filter(|s| s.name == name).cloned().collect();
        assert!(!found.is_empty(), "{name} is not in {:?}", self.sites);
        found
    }

    pub(crate) fn spawn(&self) -> Running {
        spawn(&self.path)
    }
}

/// Starts a target; it is ready for what it is told.
pub(crate) fn spawn(path: &Path) -> Running {
    let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut running = Running { child, input, output };
    assert_eq!(running.answer(), "ready");
    running
}

/// A running target.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn tell(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Where the file's address 0 is in this process: the lowest mapping of its executable.
    pub(crate) fn bias(&self) -> u64 {
        let exe = std::fs::read_link(format!("/proc/{}/exe", self.pid())).unwrap();
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
        let line = maps.lines().find(|l| l.ends_with(exe.to_str().unwrap())).unwrap();
        u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()
    }

    pub(crate) fn memory(&self, address: u64, length: usize) -> Vec<u8> {
        let memory = std::fs::File::open(format!("/proc/{}/mem", self.pid())).unwrap();
        let mut bytes = vec![0; length];
        memory.read_exact_at(&mut bytes, address).unwrap();
        bytes
    }

    /// The semaphore of a site, read from outside.
    pub(crate) fn semaphore(&self, site: &Site) -> u16 {
        let bytes = self.memory(self.bias() + site.semaphore_address, 2);
        u16::from_ne_bytes([bytes[0], bytes[1]])
    }

    /// The first bytes of a site.
    pub(crate) fn code(&self, site: &Site) -> Vec<u8> {
        self.memory(self.bias() + site.address, 8)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something to become true.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The probes of a file, by readelf.
pub(crate) fn sites(path: &Path) -> Vec<Site> {
    let read = |flag: &str| {
        let output = Command::new("readelf").arg(flag).arg(path).env("LC_ALL", "C").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let hex = |text: &str| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap();
    // LOAD offset virtual physical filesize ...
    let segments: Vec<[u64; 3]> = read("-lW")
        .lines()
        .filter_map(|l| l.trim().strip_prefix("LOAD "))
        .map(|l| l.split_ascii_whitespace().collect::<Vec<_>>())
        .map(|f| [hex(f[0]), hex(f[1]), hex(f[3])])
        .collect();
    let offset = |address: u64| {
        let inside = |s: &&[u64; 3]| address >= s[1] && address - s[1] < s[2];
        segments.iter().find(inside).map_or(0, |s| address - s[1] + s[0])
    };
    let mut sites = Vec::new();
    let mut name = String::new();
    for line in read("-nW").lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("Name: ") {
            name = text.to_owned();
        } else if let Some(text) = line.strip_prefix("Location: ") {
            let (location, rest) = text.split_once(", Base: ").unwrap();
            let (_, semaphore) = rest.split_once(", Semaphore: ").unwrap();
            let (address, semaphore_address) = (hex(location), hex(semaphore));
            sites.push(Site {
                name: name.clone(),
                address,
                offset: offset(address),
                semaphore: if semaphore_address == 0 { 0 } else { offset(semaphore_address) },
                semaphore_address,
                arguments: String::new(),
            });
        } else if let (Some(text), Some(site)) = (line.strip_prefix("Arguments: "), sites.last_mut()) {
            site.arguments = text.to_owned();
        }
    }
    sites
}

/// Offset in x86-64's `struct pt_regs` of the register of the first argument.
pub(crate) fn first_register(site: &Site) -> i16 {
    let (_, register) = site.arguments.split(' ').next().unwrap().split_once("@%").unwrap();
    const REGISTERS: [&str; 15] = [
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    ];
    8 * REGISTERS.iter().position(|r| *r == register).unwrap() as i16
}

pub(crate) fn program(name: &str, insns: Vec<Insn>) -> Program {
    Program { name: name.to_owned(), kind: ProgramKind::Uprobe, sleepable: false, insns, lines: Vec::new() }
}

pub(crate) fn exit_code() -> Vec<Insn> {
    vec![Insn::alu64_imm(Alu::Mov, 0, 0), Insn::exit()]
}

pub(crate) fn point(site: &Site, cookie: u64) -> Attachment {
    let point =
        Point::Uprobe { image: 0, offset: site.offset, semaphore: site.semaphore, cookie, ret: false };
    Attachment { program: 0, point }
}

pub(crate) fn map(
    name: &str,
    kind: MapKind,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    role: MapRole,
) -> Map {
    Map { name: name.to_owned(), kind, key_size, value_size, max_entries, role }
}

pub(crate) fn count_role() -> MapRole {
    MapRole::Script { key: Vec::new(), value: Value::Aggregate(Aggregate::Count) }
}

/// Emits: atomically adds 1 to the `u64` at index `index` of the per-CPU array `map`.
pub(crate) fn add_one(code: &mut Assembler, map: u32, index: i32) {
    let missing = code.label();
    code.push(Insn::store_imm(Size::B4, 10, -4, index));
    code.push_wide(Insn::map(1, map));
    code.push(Insn::alu64(Alu::Mov, 2, 10));
    code.push(Insn::alu64_imm(Alu::Add, 2, -4));
    code.push(Insn::call(1));
    code.jump(Insn::jump_imm(Jump::Eq, 0, 0, 0), missing);
    code.push(Insn::alu64_imm(Alu::Mov, 1, 1));
    code.push(Insn::atomic(Atomic::Add, Size::B8, 0, 0, 1));
    code.bind(missing);
}

pub(crate) fn finish(mut code: Assembler) -> Vec<Insn> {
    code.push(Insn::alu64_imm(Alu::Mov, 0, 0));
    code.push(Insn::exit());
    code.finish(false).unwrap().0
}

/// Counts the hits of `sites` in map 0: per cookie, which is the place of the site in `sites`.
pub(crate) fn counter(image: Image, sites: &[Site]) -> Object {
    let entries = sites.len() as u32;
    let mut code = Assembler::new();
    let missing = code.label();
    code.push(Insn::call(174)); // bpf_get_attach_cookie
    code.push(Insn::store(Size::B4, 10, -4, 0));
    code.push_wide(Insn::map(1, 0));
    code.push(Insn::alu64(Alu::Mov, 2, 10));
    code.push(Insn::alu64_imm(Alu::Add, 2, -4));
    code.push(Insn::call(1)); // bpf_map_lookup_elem
    code.jump(Insn::jump_imm(Jump::Eq, 0, 0, 0), missing);
    code.push(Insn::alu64_imm(Alu::Mov, 1, 1));
    code.push(Insn::atomic(Atomic::Add, Size::B8, 0, 0, 1));
    code.bind(missing);
    Object {
        maps: vec![map("@", MapKind::PerCpuArray, 4, 8, entries, count_role())],
        programs: vec![program("count", finish(code))],
        images: vec![image],
        attachments: sites.iter().zip(0..).map(|(site, cookie)| point(site, cookie)).collect(),
        ..Object::default()
    }
}

/// The sum over the CPUs of index `index` of a per-CPU array of `u64`s.
pub(crate) fn sum(loaded: &Loaded, map: u32, index: u32) -> u64 {
    let value = loaded.map(map).unwrap().get(&index.to_ne_bytes()).unwrap().unwrap();
    value.chunks_exact(8).map(|v| u64::from_ne_bytes(v.try_into().unwrap())).sum()
}

/// Sends the first argument of `site` through a ring of `size` bytes; counts what does not fit.
pub(crate) fn sender(image: Image, sites: &[Site], size: u32) -> Object {
    let mut code = Assembler::new();
    let (full, done) = (code.label(), code.label());
    code.push(Insn::load(Size::B8, 7, 1, first_register(&sites[0])));
    code.push_wide(Insn::map(1, 0));
    code.push(Insn::alu64_imm(Alu::Mov, 2, 16));
    code.push(Insn::alu64_imm(Alu::Mov, 3, 0));
    code.push(Insn::call(131)); // bpf_ringbuf_reserve
    code.jump(Insn::jump_imm(Jump::Eq, 0, 0, 0), full);
    code.push(Insn::store_imm(Size::B8, 0, 0, 0));
    code.push(Insn::store(Size::B8, 0, 8, 7));
    code.push(Insn::alu64(Alu::Mov, 1, 0));
    code.push(Insn::alu64_imm(Alu::Mov, 2, 0));
    code.push(Insn::call(132)); // bpf_ringbuf_submit
    code.jump(Insn::goto(0), done);
    code.bind(full);
    add_one(&mut code, 1, 0);
    code.bind(done);
    Object {
        maps: vec![
            map("events", MapKind::RingBuf, 0, 0, size, MapRole::Events),
            map("lost", MapKind::PerCpuArray, 4, 8, 1, MapRole::Lost),
        ],
        programs: vec![program("send", finish(code))],
        images: vec![image],
        attachments: sites.iter().map(|site| point(site, 0)).collect(),
        events: vec![Event {
            kind: EventKind::Printf { format: "%d".to_owned() },
            fields: vec![Type::Int { size: 8, signed: false }],
        }],
        losses: vec![LossCause::RingFull],
        ..Object::default()
    }
}

pub(crate) fn load(object: Object, method: Method) -> Loaded {
    Loaded::load(object, &LoadOptions { method, verifier_log: false })
        .unwrap_or_else(|e| panic!("{e}: {:?}", e.log))
}

/// Loads and attaches; everything must succeed.
pub(crate) fn attach(object: Object, method: Method) -> Loaded {
    let mut loaded = load(object, method);
    let report = loaded.attach().unwrap();
    assert!(report.failures.is_empty() && report.warnings.is_empty(), "{report:?}");
    loaded
}
