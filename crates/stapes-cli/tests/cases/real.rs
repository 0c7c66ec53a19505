//! Real programs from Debian's packages: Java, PostgreSQL, Ruby, C++'s exceptions.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::support::*;
use super::tracer::*;

const HOT: &str = "public class Hot {\n\
    static int hot(int x) { return x + 1; }\n\
    public static void main(String[] a) { int s = 0; for (int i = 0; i < 200; i++) s = hot(s); System.exit(s == 200 ? 0 : 1); }\n\
}\n";

#[test]
fn methods_of_a_java_program_as_bpftrace_counts_them() {
    let test = "methods_of_a_java_program_as_bpftrace_counts_them";
    if !root(test) || !have(test, &["java", "javac", "bpftrace", LIBJVM]) {
        return;
    }
    let folder = folder();
    let source = folder.path().join("Hot.java");
    fs::write(&source, HOT).unwrap();
    assert!(Command::new("javac").arg(&source).status().unwrap().success());
    let command =
        format!("java -XX:+ExtendedDTraceProbes -Xint -Xshare:auto -cp {}", folder.path().display()) + " Hot";
    let script = format!(
        "usdt:{LIBJVM}:hotspot:method__entry /str(arg1, arg2) == \"Hot\"/ {{ @[str(arg3, arg4)] = count(); }}"
    );
    // bpftrace finds the library only in the file, so it listens to everybody, and at the same time.
    let theirs = Bpftrace::start(&script);
    let ours = run(&["-c", &command, "-e", &script]).ok();
    assert_eq!(ours.lines(), ["@[main]: 1", "@[hot]: 200"]);
    assert_eq!(theirs.interrupt(), ["@[main]: 1", "@[hot]: 200"]);
}

/// A bpftrace that is attached.
struct Bpftrace {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Bpftrace {
    /// Starts it and waits until it is attached: its intervals run from then on.
    fn start(script: &str) -> Bpftrace {
        let script = format!("{script} interval:ms:50 {{ printf(\"attached\\n\"); }}");
        let mut child = Command::new("bpftrace")
            .args(["-e", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("attached") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "bpftrace ended");
        }
        Bpftrace { child, output }
    }

    /// The entries of its maps.
    fn interrupt(mut self) -> Vec<String> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let lines = self.output.by_ref().lines().map(|line| line.unwrap());
        let entries = lines.filter(|line| line.starts_with('@')).collect();
        assert!(self.child.wait().unwrap().success());
        entries
    }
}

#[test]
fn every_probe_of_the_java_virtual_machine_attaches() {
    let test = "every_probe_of_the_java_virtual_machine_attaches";
    if !root(test) || !have(test, &["java", LIBJVM]) {
        return;
    }
    let script = format!("usdt:{LIBJVM}:*:* {{ @[probe] = count(); }}");
    let traced = run(&["-c", "java -version", "-e", &script]).ok();
    assert!(!traced.stderr.contains("warning"), "{}", traced.stderr);
    let count = |name: &str| {
        let line = traced.lines().into_iter().find(|l| l.contains(&format!(":hotspot:{name}]")));
        line.and_then(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    assert_eq!((count("vm__init__begin"), count("vm__init__end")), (1, 1));
    assert!(count("class__loaded") > 100, "{}", traced.stdout);
}

#[test]
fn strings_of_a_ruby_program() {
    let test = "strings_of_a_ruby_program";
    if !root(test) || !have(test, &["/usr/bin/ruby"]) {
        return;
    }
    let library = "libruby-3.1.so.3.1";
    if run(&["list", library]).stdout.is_empty() {
        return skip(test, "libruby has no probes");
    }
    // Not cmethod__entry: Ruby 3.1 itself crashes now and then when that is on, under bpftrace as well.
    let command = "/usr/bin/ruby -e '100.times { %q(x) * 12345 }'";
    let script = format!("usdt:{library}:ruby:string__create /arg0 == 12345/ {{ @[comm] = count(); }}");
    assert_eq!(run(&["-c", command, "-e", &script]).ok().lines(), ["@[ruby]: 100"]);
}

#[test]
fn exceptions_of_a_cpp_program() {
    let test = "exceptions_of_a_cpp_program";
    if !root(test) || !have(test, &["g++"]) {
        return;
    }
    let folder = folder();
    let (source, program) = (folder.path().join("throw.cc"), folder.path().join("throw"));
    fs::write(&source, "int main() { for (int i = 0; i < 7; i++) try { throw i; } catch (int) {} }").unwrap();
    assert!(Command::new("g++").arg("-o").args([&program, &source]).status().unwrap().success());
    let script = "usdt:libstdc++.so.6:libstdcxx:throw { @t = count(); } \
                  usdt:libstdc++.so.6:libstdcxx:catch { @c = count(); }";
    let traced = run(&["-c", program.to_str().unwrap(), "-e", script]).ok();
    assert_eq!(traced.lines(), ["@c: 7", "@t: 7"]);
    // In whatever the command has loaded by its entry point.
    let script = "usdt::libstdcxx:throw { @t = count(); } usdt:*:libstdcxx:catch { @c = count(); }";
    let traced = run(&["-c", program.to_str().unwrap(), "-e", script]).ok();
    assert_eq!(traced.lines(), ["@c: 7", "@t: 7"]);
}

/// A server of its own below a folder; ended with the value.
struct Postgres {
    server: Child,
    folder: PathBuf,
    programs: PathBuf,
}

impl Postgres {
    fn start(folder: &Path, programs: &Path) -> Postgres {
        let data = folder.join("data");
        let mut init = as_postgres(&programs.join("initdb"));
        let init = init.args(["-A", "trust", "-D"]).arg(&data).output().unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let server = as_postgres(&programs.join("postgres"))
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(folder)
            .arg("-D")
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let postgres = Postgres { server, folder: folder.to_path_buf(), programs: programs.to_path_buf() };
        assert!(wait_until(|| postgres.query("select 1").is_some()), "the server never answers");
        postgres
    }

    fn query(&self, query: &str) -> Option<String> {
        let output = as_postgres(&self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-d", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-c", query])
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT: without tidying up.
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
    command
}

#[test]
fn queries_of_a_postgresql_server() {
    let test = "queries_of_a_postgresql_server";
    let programs = Path::new("/usr/lib/postgresql/15/bin");
    if !root(test) || !have(test, &["setpriv", "/usr/lib/postgresql/15/bin/postgres"]) {
        return;
    }
    let folder = folder();
    assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
    let postgres = Postgres::start(folder.path(), programs);
    let script = format!(
        "usdt:{}:postgresql:query__start {{ printf(\"%s\\n\", str(arg0)); }} \
         usdt:{}:postgresql:query__done {{ @done = count(); }}",
        programs.join("postgres").display(),
        programs.join("postgres").display()
    );
    // Each query runs in a process of its own, which starts later than the tracer.
    let tracer = Tracer::attached(&["-e", &script]);
    assert_eq!(postgres.query("select 40 + 2").as_deref(), Some("42"));
    assert_eq!(postgres.query("select 'é' || 1").as_deref(), Some("é1"));
    let traced = tracer.interrupt().ok();
    assert_eq!(traced.lines(), ["select 40 + 2", "select 'é' || 1", "@done: 2"]);
}
