//! Scripts at probes that fire: the test attaches to functions of itself and calls them.
//!
//! Where the functions are in the file is read from /proc/self/maps. USDT probes are notes about the same addresses:
//! with the arguments in the registers where the calling convention of C puts them.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use stapes_bpf::{Event, EventKind, Image, LossCause, Object, Type};
use stapes_kernel::{LoadOptions, Loaded};

use super::world::{World, text};
use crate::emit::kernel;

/// Called with a number and a text that ends in NUL; what it does must not be left out.
#[inline(never)]
extern "C" fn numbers(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64) -> i64 {
    std::hint::black_box(a ^ b ^ c ^ d ^ e ^ f ^ g ^ h)
}

#[inline(never)]
extern "C" fn words(text: *const u8, length: u64) -> u64 {
    std::hint::black_box(text as u64 ^ length)
}

/// The offset in the file of an address of this program.
fn file_offset(address: usize) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, _, offset) = (fields.next().unwrap(), fields.next(), fields.next().unwrap());
        let (start, end) = range.split_once('-').unwrap();
        let hex = |text| usize::from_str_radix(text, 16).unwrap();
        if (hex(start)..hex(end)).contains(&address) {
            return (address - hex(start) + hex(offset)) as u64;
        }
    }
    panic!("{address:#x} is not mapped");
}

/// A world in which the only image is this program, and its first probe or function is at `address`.
fn world(address: usize, arguments: Vec<&'static str>) -> World {
    let mut world = World::new();
    world.image =
        Image { name: "self".into(), path: "/proc/self/exe".into(), pids: vec![std::process::id()] };
    world.offset = file_offset(address);
    world.probes = vec![("probe", arguments)];
    world.functions = vec!["function"];
    world
}

/// What came of a script.
struct Outcome {
    loaded: Loaded,
    records: Vec<Vec<u8>>,
}

/// Compiles, attaches, runs `action`, detaches. One test at a time: all call the same functions.
fn trace(world: &World, source: &str, action: impl FnOnce()) -> Outcome {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (object, _) = world.compile(source).unwrap_or_else(|e| panic!("{}", text(source, &e)));
    let mut loaded = Loaded::load(object, &LoadOptions::default()).unwrap_or_else(|e| {
        panic!("{source}: {e}\n{}", e.log.as_deref().unwrap_or_default());
    });
    loaded.run_begin().unwrap();
    let report = loaded.attach().unwrap();
    assert!(report.failures.is_empty(), "{report:?}");
    action();
    loaded.detach().unwrap();
    let mut records = Vec::new();
    loaded.consume(&mut |record| records.push(record.to_vec()));
    Outcome { loaded, records }
}

impl Outcome {
    /// The fields of each record of printf, as text.
    fn printed(&self) -> Vec<String> {
        let object = self.loaded.object();
        self.records
            .iter()
            .map(|record| {
                let index = u32::from_ne_bytes(record[..4].try_into().unwrap());
                let event = &object.events[index as usize];
                assert!(matches!(event.kind, EventKind::Printf { .. }));
                fields(object, event, record).join(" ")
            })
            .collect()
    }

    /// A map's entries: key and values of all CPUs added up, in order.
    fn sums(&self, name: &str) -> Vec<(Vec<u8>, i64)> {
        let map = self.loaded.map_named(name).unwrap();
        let mut out: Vec<(Vec<u8>, i64)> = map
            .entries()
            .unwrap()
            .iter()
            .map(|(key, value)| {
                let each = value.chunks(map.stride()).map(|v| i64::from_ne_bytes(v[..8].try_into().unwrap()));
                (key.to_vec(), each.sum())
            })
            .collect();
        out.sort();
        out
    }
}

fn fields(object: &Object, event: &Event, record: &[u8]) -> Vec<String> {
    let (offsets, mut tail) = event.layout();
    let word = |at: usize, size: usize| {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&record[at..at + size]);
        u64::from_ne_bytes(bytes)
    };
    let mut out = Vec::new();
    for (ty, offset) in event.fields.iter().zip(offsets) {
        let at = offset as usize;
        out.push(match ty {
            Type::Int { size, signed: true } => {
                let unused = 64 - 8 * u32::from(*size);
                ((word(at, *size as usize) << unused) as i64 >> unused).to_string()
            }
            Type::Int { size, .. } => word(at, *size as usize).to_string(),
            Type::Pointer => word(at, 8).to_string(),
            Type::Probe => object.probes[word(at, 4) as usize].clone(),
            Type::Str { .. } | Type::Buf { .. } => {
                let length = word(at, 4) as u32;
                let bytes = &record[tail as usize..(tail + length) as usize];
                tail += length;
                let end = bytes.iter().position(|b| *b == 0 && matches!(ty, Type::Str { .. }));
                String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
            }
            Type::UserSymbol => format!("{:#x} of {}", word(at, 8), word(at + 8, 4)),
            Type::Username => format!("user {}", word(at, 4)),
            other => panic!("{other:?}"),
        });
    }
    out
}

fn skip(test: &str) -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        let _ = writeln!(std::io::stderr(), "skip {test}: its registers are those of x86_64");
        return true;
    }
    !kernel::available(test)
}

fn call(a: i64, b: i64) {
    numbers(a, b, 3, 4, 5, 6, 7, 8);
}

#[test]
fn arguments_of_functions() {
    if skip("arguments_of_functions") {
        return;
    }
    let world = world(numbers as *const () as usize, vec![]);
    let source = "uprobe:self:function { printf(\"%d %d %d %d %d %s %s %d\", arg0, arg1, arg5, arg6, arg7, func, probe, pid); }";
    let outcome = trace(&world, source, || call(-1, 2));
    let pid = std::process::id();
    assert_eq!(outcome.printed(), [format!("-1 2 6 7 8 function uprobe:self:function {pid}")]);
}

#[test]
fn return_values() {
    if skip("return_values") {
        return;
    }
    let world = world(numbers as *const () as usize, vec![]);
    let outcome = trace(&world, "uretprobe:self:function { printf(\"%d\", retval); }", || call(100, 1));
    assert_eq!(outcome.printed(), [(100 ^ 1 ^ 3 ^ 4 ^ 5 ^ 6 ^ 7 ^ 8).to_string()]);
}

#[test]
fn arguments_of_static_probes() {
    if skip("arguments_of_static_probes") {
        return;
    }
    // a in rdi, b in rsi, the seventh and eighth argument on the stack.
    let specs = "-4@%edi 8@%rsi -1@%sil 2@%si 8@8(%rsp) 1@16(%rsp) 4@$7 8@-16(%rsp,%rdx,8) 1@%cl 8@nothing";
    let world = world(numbers as *const () as usize, vec![specs]);
    let source = "usdt:self:p:probe { printf(\"%d %d %d %d %d %d %d %d %d\", arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8); }";
    let outcome = trace(&world, source, || call(-5, 0x1_0000_fffe));
    // -16 + 3 × 8 = 8: the seventh argument again.
    assert_eq!(outcome.printed(), [format!("-5 {} -2 65534 7 8 7 7 4", 0x1_0000_fffeu64)]);
}

#[test]
fn symbols_in_memory() {
    static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    if skip("symbols_in_memory") {
        return;
    }
    COUNTER.store(4711, std::sync::atomic::Ordering::SeqCst);
    let mut world = world(numbers as *const () as usize, vec!["8@counter(%rip) 8@8+counter(%rip)"]);
    // Addresses in the file are those at run time less the load bias; the site's own is its offset in `world`.
    let bias = (numbers as *const () as u64).wrapping_sub(world.offset);
    let address = (&raw const COUNTER as u64).wrapping_sub(bias);
    world.symbols = vec![("counter", address)];
    let outcome = trace(&world, "usdt:self:p:probe { printf(\"%d\", arg0); }", || call(1, 2));
    assert_eq!(outcome.printed(), ["4711"]);
    let source = "usdt:self:p:probe, uprobe:self:function { printf(\"%d %d\", uaddr(\"counter\"), *uaddr(\"counter\")); }";
    let outcome = trace(&world, source, || call(1, 2));
    let wanted = format!("{} 4711", &raw const COUNTER as u64);
    assert_eq!(outcome.printed(), [wanted.clone(), wanted]);
}

#[test]
fn strings() {
    if skip("strings") {
        return;
    }
    let world = world(words as *const () as usize, vec!["8@%rdi 8@%rsi"]);
    let source = "usdt:self:p:probe { printf(\"%s|%s|%s|%s|%d\", str(arg0), str(arg0, arg1), str(arg0, 2), comm, len(str(arg0))); @[str(arg0)] = count(); @eq = (str(arg0) == \"hello world\"); @s = str(arg0); printf(\"%s\", @s); }";
    let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let outcome = trace(&world, source, || {
        words(c"hello world".as_ptr().cast(), 5);
        words(c"".as_ptr().cast(), 5);
        words(std::ptr::null(), u64::MAX);
        words(c"abc".as_ptr().cast(), 0);
    });
    let comm = comm.trim_end();
    assert_eq!(
        outcome.printed(),
        [
            format!("hello world hello he {comm} 11"),
            "hello world".into(),
            format!("   {comm} 0"),
            String::new(),
            format!("   {comm} 0"),
            String::new(),
            format!("abc  ab {comm} 3"),
            "abc".into(),
        ]
    );
    // Keys are padded with zeroes to their size, so that the same string is one key.
    let key = |text: &str| {
        let mut key = text.as_bytes().to_vec();
        key.resize(64, 0);
        key
    };
    assert_eq!(outcome.sums("@"), [(key(""), 2), (key("abc"), 1), (key("hello world"), 1)]);
}

#[test]
fn a_string_on_a_page_that_was_never_touched() {
    if skip("a_string_on_a_page_that_was_never_touched") {
        return;
    }
    let features = stapes_kernel::Features::detect();
    if !features.copy_from_user_str() || !features.uprobe_multi() {
        let _ = writeln!(
            std::io::stderr(),
            "skip a_string_on_a_page_that_was_never_touched: the kernel has no bpf_copy_from_user_str"
        );
        return;
    }
    let text = &raw const FAR.0[FAR.0.len() / 2];
    if is_present(text as u64) {
        let _ = writeln!(
            std::io::stderr(),
            "skip a_string_on_a_page_that_was_never_touched: the page is in memory already"
        );
        return;
    }
    let world = world(words as *const () as usize, vec!["8@%rdi 8@%rsi"]);
    let source = "usdt:self:p:probe { printf(\"%s %r\", str(arg0), buf(arg0, 4)); }";
    let outcome = trace(&world, source, || {
        words(text, 1);
    });
    assert_eq!(outcome.printed(), ["faulted in faul"]);
}

/// Constant data far from all other data: its pages are read from the program's file only when they are touched.
#[repr(align(4096))]
struct Far([u8; 1 << 20]);

static FAR: Far = {
    let mut bytes = [1; 1 << 20];
    let text = b"faulted in\0";
    let mut at = 0;
    while at < text.len() {
        bytes[(1 << 19) + at] = text[at];
        at += 1;
    }
    Far(bytes)
};

/// Whether the page of an address is in memory: bit 63 of its entry in /proc/self/pagemap (proc_pid_pagemap(5)).
fn is_present(address: u64) -> bool {
    use std::os::unix::fs::FileExt;
    let mut entry = [0; 8];
    let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
    pagemap.read_exact_at(&mut entry, address / 4096 * 8).unwrap();
    u64::from_ne_bytes(entry) >> 63 == 1
}

#[test]
fn buffers_and_memory() {
    if skip("buffers_and_memory") {
        return;
    }
    let world = world(words as *const () as usize, vec!["8@%rdi 8@%rsi"]);
    let source = "usdt:self:p:probe { printf(\"%r|%r\", buf(arg0, 3), buf(arg0, arg1)); @b = buf(arg0, 4); printf(\"%r\", @b); printf(\"%d %d %d\", *(uint8 *)arg0, *(int16 *)(arg0 + 1), *(uint32 *)arg0); printf(\"%d\", *(uint64 *)5); }";
    let bytes = [0x80u8, 0xff, 0xff, 0x01, 0x41, 0, 0, 0];
    let outcome = trace(&world, source, || {
        words(bytes.as_ptr(), 5);
    });
    let printed = outcome.printed();
    assert_eq!(printed.len(), 4);
    assert_eq!(outcome.records[0].len(), 16 + 3 + 5);
    assert_eq!(&outcome.records[0][16..], &[0x80, 0xff, 0xff, 0x80, 0xff, 0xff, 0x01, 0x41]);
    assert_eq!(&outcome.records[1][16..], &[0x80, 0xff, 0xff, 0x01]);
    assert_eq!(printed[2], format!("128 -1 {}", 0x01ff_ff80));
    assert_eq!(printed[3], "0");
}

#[test]
fn sites_that_differ() {
    if skip("sites_that_differ") {
        return;
    }
    let mut world = world(numbers as *const () as usize, vec!["-4@%edi 8@%rsi", "8@%rsi 8@%rdi"]);
    world.offsets =
        vec![file_offset(numbers as *const () as usize), file_offset(words as *const () as usize)];
    let source =
        "usdt:self:p:probe /arg0 != 0/ { printf(\"%d %d %s\", arg0, arg1, func); @[func] = sum(arg1); }";
    let outcome = trace(&world, source, || {
        call(-3, 4);
        words(std::ptr::null(), 6);
        words(std::ptr::null(), 0);
    });
    assert_eq!(outcome.printed(), ["-3 4 probe_0", "6 0 probe_1"]);
}

#[test]
fn stacks_are_kept_once() {
    if skip("stacks_are_kept_once") {
        return;
    }
    let world = world(numbers as *const () as usize, vec!["8@%rdi"]);
    let source =
        "usdt:self:p:probe { @[ustack(4)] = count(); @k[kstack(3)] = count(); @l = max(len(ustack(4))); }";
    let outcome = trace(&world, source, || {
        for i in 0..10 {
            call(i, 0);
        }
    });
    let stacks = outcome.sums("@");
    assert_eq!(stacks.iter().map(|(_, n)| n).sum::<i64>(), 10);
    let table = outcome.loaded.map_named("user_stacks_4").unwrap();
    for (key, _) in &stacks {
        let stack = table.get(&key[..8]).unwrap().expect("the stack is in its map");
        let words: Vec<u64> = stack.chunks(8).map(|w| u64::from_ne_bytes(w.try_into().unwrap())).collect();
        // The first frame is the probe itself.
        assert!(words[0] >= 1 && words[0] <= 4, "{words:?}");
        assert_eq!(words[1], numbers as *const () as u64);
        assert_eq!(u32::from_ne_bytes(key[8..12].try_into().unwrap()), std::process::id());
    }
    assert_eq!(outcome.loaded.losses().unwrap().total(), 0);
}

#[test]
fn what_does_not_fit_is_counted() {
    if skip("what_does_not_fit_is_counted") {
        return;
    }
    let mut world = world(numbers as *const () as usize, vec!["8@%rdi"]);
    world.options.max_map_keys = 8;
    world.options.ring_bytes = 4096;
    let source = "usdt:self:p:probe { @c[arg0] = count(); @p[arg0] = arg0; printf(\"%d %d\", arg0, arg0); }";
    const FIRED: i64 = 1000;
    let outcome = trace(&world, source, || {
        for i in 0..FIRED {
            call(i, 0);
        }
    });
    let losses = outcome.loaded.losses().unwrap();
    let lost = |name: &str| -> i64 {
        let index = outcome.loaded.object().maps.iter().position(|m| m.name == name).unwrap() as u32;
        let full = losses.causes.iter().find(|(cause, _)| *cause == LossCause::MapFull { map: index });
        full.map_or(0, |(_, n)| *n as i64)
    };
    // Fired = delivered + reported lost, for each thing that is delivered.
    let counted: i64 = outcome.sums("@c").iter().map(|(_, n)| n).sum();
    assert_eq!(counted + lost("@c"), FIRED);
    assert_eq!(outcome.sums("@p").len() as i64 + lost("@p"), FIRED);
    let ring = losses.causes.iter().find(|(cause, _)| *cause == LossCause::RingFull).map_or(0, |(_, n)| *n);
    assert!(ring > 0);
    assert_eq!(outcome.records.len() as i64 + ring as i64, FIRED);
}

#[test]
fn counts_are_exact_under_many_threads() {
    if skip("counts_are_exact_under_many_threads") {
        return;
    }
    let world = world(numbers as *const () as usize, vec!["8@%rdi 8@%rsi"]);
    let source = "usdt:self:p:probe { @c = count(); @s = sum(arg0); @k[arg1] = count(); @n++; @m[arg1] += arg0; @min = min(arg0); @max[0] = max(arg0); }";
    const THREADS: i64 = 8;
    const EACH: i64 = 2000;
    let outcome = trace(&world, source, || {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    for i in 1..=EACH {
                        call(i, thread % 3);
                    }
                });
            }
        });
    });
    let all = |name| outcome.sums(name).iter().map(|(_, n)| n).sum::<i64>();
    let total = THREADS * (EACH * (EACH + 1) / 2);
    assert_eq!((all("@c"), all("@k"), all("@n")), (THREADS * EACH, THREADS * EACH, THREADS * EACH));
    assert_eq!((all("@s"), all("@m")), (total, total));
    assert_eq!(outcome.loaded.losses().unwrap().total(), 0);
}
