//! Files that people trace.

use std::path::Path;
use std::time::Instant;

use stapes_bpf::Image;
use stapes_kernel::Method;

use super::support::{can_load, counter, load, sites, skip};

#[test]
fn all_of_libjvm_attaches_and_detaches() {
    const TEST: &str = "all_of_libjvm_attaches_and_detaches";
    const PATH: &str = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so";
    let Some(_alone) = can_load(TEST) else { return };
    if !Path::new(PATH).exists() {
        return skip(TEST, "openjdk-17 is not installed");
    }
    let all = sites(Path::new(PATH));
    assert!(all.len() > 500, "{}", all.len());
    let image = Image { name: "libjvm.so".to_owned(), path: PATH.to_owned(), pids: Vec::new() };
    // The kernel closes perf events one after the other, a tenth of a second each.
    for (method, sites) in [(Method::UprobeMulti, &all[..]), (Method::PerfEvent, &all[..20])] {
        let mut loaded = load(counter(image.clone(), sites), method);
        let start = Instant::now();
        let report = loaded.attach().unwrap();
        let attached = start.elapsed();
        assert_eq!((report.attached, report.failures.len()), (sites.len(), 0), "{:?}", report.failures);
        let start = Instant::now();
        loaded.detach().unwrap();
        println!(
            "{method:?}: {} sites attached in {attached:?}, detached in {:?}",
            sites.len(),
            start.elapsed()
        );
    }
}
