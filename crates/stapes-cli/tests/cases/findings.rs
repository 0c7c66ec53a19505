//! `stapes info` and `stapes validate`.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::*;

#[test]
fn info_shows_what_objdump_and_nm_show() {
    let test = "info_shows_what_objdump_and_nm_show";
    if !can_compile(test) || !have(test, &["objdump"]) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &["-no-pie"]);
    let spec = format!("usdt:{}:cases:plain", program.display());
    let probe = &json_lines(&stapes_ok(&["info", "--json", &spec]))[0];
    let disassembly = output_of(Command::new("objdump").arg("-d").arg(&program));
    for site in probe["locations"].as_array().unwrap() {
        let pc = site["pc"].as_u64().unwrap();
        let code = site["code"].as_array().unwrap();
        assert_eq!((code[0]["bytes"].as_str(), code[0]["text"].as_str()), (Some("90"), Some("nop")));
        // objdump has the same addresses and bytes.
        for line in code {
            let address = format!("{:x}:", line["address"].as_u64().unwrap());
            let bytes = line["bytes"].as_str().unwrap();
            let theirs = disassembly.lines().find(|l| l.trim_start().starts_with(&address)).unwrap();
            let theirs: String = theirs.split('\t').nth(1).unwrap().split_whitespace().collect();
            assert!(bytes.starts_with(&theirs), "{bytes} {theirs}");
        }
        let (function, offset) = site["symbol"].as_str().unwrap().split_once("+0x").unwrap();
        let start = pc - u64::from_str_radix(offset, 16).unwrap();
        assert!(disassembly.contains(&format!("{start:016x} <{function}>:")), "{function}");
    }
    let text = stapes_ok(&["info", &spec]);
    for expected in [&spec, "site 1 of", "nop        1", "arg0       signed 4 bytes in %edi", "semaphore  0x"]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(text.lines().all(|l| l.len() <= 100), "{text}");
}

#[test]
fn info_tells_an_armed_site_and_its_semaphore() {
    let test = "info_tells_an_armed_site_and_its_semaphore";
    if !can_compile(test) || !root(test) || !have(test, &["bpftrace"]) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let running = Running::start(&mut Command::new(&program));
    let [p, pid] = running.p();
    let state = |name: &str| -> (Option<bool>, Option<u64>) {
        let spec = format!("cases:{name}");
        let probes = json_lines(&stapes_ok(&["info", "--json", &p, &pid, &spec]));
        let process = &probes[0]["locations"][0]["processes"][0];
        (process["armed"].as_bool(), process["semaphore"].as_u64())
    };
    assert_eq!(state("counted"), (Some(false), Some(0)));
    let script = format!("usdt:{}:cases:counted {{ @ = count() }}", program.display());
    let command = format!("ulimit -l unlimited; exec bpftrace -p {pid} -e '{script}'");
    let mut tracer = Command::new("sh")
        .args(["-c", &command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut armed = state("counted");
    while armed.0 == Some(false) && tracer.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        armed = state("counted");
    }
    let plain = state("plain");
    let _ = tracer.kill();
    let _ = tracer.wait();
    if armed.0 == Some(false) {
        return skip(test, "bpftrace attached nothing");
    }
    // One attachment for each site that has the semaphore.
    assert_eq!(armed.0, Some(true));
    assert!(armed.1.is_some_and(|value| value >= 1), "{armed:?}");
    assert_eq!(plain, (Some(false), Some(0)));
}

fn validate(args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = stapes(&[&["validate", "--json"], args].concat());
    (output.status.code(), json_lines(&String::from_utf8(output.stdout).unwrap()))
}

fn slugs(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|f| f["slug"].as_str().unwrap()).collect()
}

#[test]
fn good_files_have_no_errors_and_broken_ones_have() {
    let test = "good_files_have_no_errors_and_broken_ones_have";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let path = program.to_str().unwrap();
    assert_eq!(validate(&[path]), (Some(0), vec![]));
    let text = stapes_ok(&["validate", path]);
    assert!(text.contains("2 probes, ") && text.ends_with("; 0 errors, 0 warnings\n"), "{text}");

    // The site of `plain` moved to address 8, which is in no executable segment.
    let mut bytes = fs::read(&program).unwrap();
    let probe = &json_lines(&stapes_ok(&["list", "--json", &format!("usdt:{path}:cases:plain")]))[0];
    let pc = probe["locations"][0]["pc"].as_u64().unwrap().to_le_bytes();
    let owner = b"stapsdt\0";
    let at =
        (0..bytes.len() - 16).find(|&i| bytes[i..].starts_with(owner) && bytes[i + 8..i + 16] == pc).unwrap();
    bytes[at + 8..at + 16].copy_from_slice(&8u64.to_le_bytes());
    fs::write(dir.path().join("broken"), &bytes).unwrap();
    let (code, findings) = validate(&[dir.path().join("broken").to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(
        findings.iter().any(|f| f["severity"] == "error" && f["name"] == "plain" && f["pc"] == 8),
        "{findings:?}"
    );
    // A folder has the findings of every file in it.
    let (code, findings) = validate(&[dir.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(findings.iter().all(|f| f["path"].as_str().unwrap().ends_with("/broken")), "{findings:?}");

    // A note whose owner is cut short: the file counts though no probe of it can be read.
    let output = stapes(&["validate", "/bin/true"]);
    assert_eq!((output.status.code(), output.stderr), (Some(1), b"no probes in /bin/true\n".to_vec()));
}

#[test]
fn a_replaced_file_and_moved_code_are_found_in_the_process() {
    let test = "a_replaced_file_and_moved_code_are_found_in_the_process";
    if !can_compile(test) || !root(test) {
        return;
    }
    // Copies the code of a library to anonymous memory and puts it in the place of the file's mapping,
    // as programs do that want huge pages for their code.
    let remapper = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static int remap(struct dl_phdr_info *info, size_t size, void *wanted) {
    if (!strstr(info->dlpi_name, "library.so")) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
        char *start = (char *)((info->dlpi_addr + p->p_vaddr) & ~4095ul);
        size_t length = ((info->dlpi_addr + p->p_vaddr + p->p_memsz + 4095) & ~4095ul) - (size_t)start;
        char *copy = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memcpy(copy, start, length);
        mprotect(copy, length, PROT_READ | PROT_EXEC);
        mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, start);
    }
    return 1;
}
int main(int argc, char **argv) {
    char byte;
    if (!dlopen(argv[1], RTLD_NOW)) { puts(dlerror()); return 1; }
    dl_iterate_phdr(remap, 0);
    puts("ready"); fflush(stdout);
    read(0, &byte, 1);
    return 0;
}
"#;
    let dir = folder();
    let library = compile(dir.path(), "library.so", TARGET, &["-shared", "-fPIC"]);
    let program = compile(dir.path(), "remapper", remapper, &["-ldl"]);
    let running = Running::start(Command::new(program).arg(&library));
    let [p, pid] = running.p();
    let (code, findings) = validate(&[&p, &pid]);
    assert_eq!((code, slugs(&findings)), (Some(1), vec!["text-remapped"]), "{findings:?}");
    assert_eq!(findings[0]["pid"].as_u64(), Some(running.pid.into()));
    fs::remove_file(&library).unwrap();
    let (_, findings) = validate(&[&p, &pid]);
    assert_eq!(slugs(&findings), ["text-remapped", "file-replaced"], "{findings:?}");
}
