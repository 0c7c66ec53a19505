//! Any bytes as a Go program: finding its tables and reading all that they lead to ends in time and never panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stapes_binary::elf::Elf;
use stapes_binary::go::Go;

fuzz_target!(|data: &[u8]| {
    let Ok(Some(elf)) = Elf::open(&data) else { return };
    let go = match Go::open(&elf) {
        Ok(go) => go,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for function in go.functions().take(256) {
        assert!(function.entry <= function.end);
        let Ok(code) = go.code(&function) else { continue };
        let inside = |at: u64| at >= function.entry.0 && at < function.end.0;
        assert!(code.returns.iter().chain(&code.tail_calls).chain(&code.start).all(|p| inside(p.address.0)));
        if let Ok(Some(arguments)) = go.arguments(&function, &code) {
            assert!(arguments.parts().len() <= 256);
            assert!(arguments.list.is_empty() || !arguments.to_string().is_empty());
        }
    }
    let _ = go.inlined(&|_| true);
    for found in go.structs(&["main.T", "runtime.g"]).unwrap_or_default().iter().flatten() {
        assert!(found.fields.iter().all(|f| f.offset + f.size <= found.size));
    }
    let _ = go.goid();
});
