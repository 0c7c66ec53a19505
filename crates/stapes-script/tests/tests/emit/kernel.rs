//! Objects of the random functions in the real kernel.

use std::io::Write;

use stapes_bpf::Object;
use stapes_kernel::{LoadOptions, Loaded};

/// Whether programs can be loaded here; says why not.
pub(crate) fn available(test: &str) -> bool {
    let probe: Object = "program 0 \"probe\": run\n0: r0 = 0\n1: exit\n".parse().unwrap();
    match Loaded::load(probe, &LoadOptions::default()) {
        Ok(_) => true,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "skip {test}: programs cannot be loaded: {error}");
            false
        }
    }
}

/// Fills map 0, runs the programs once, gives the contents of maps 1 and 2.
pub(crate) fn run(object: &Object, input: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let error = |e: stapes_kernel::Error| format!("{e}\n{}", e.log.as_deref().unwrap_or_default());
    let mut loaded = Loaded::load(object.clone(), &LoadOptions::default()).map_err(error)?;
    let map = |loaded: &Loaded, index, key: u32| -> Result<Vec<u8>, String> {
        let map = loaded.map(index).ok_or("no such map")?;
        map.get(&key.to_ne_bytes()).map_err(error)?.ok_or_else(|| "no such key".to_owned())
    };
    loaded.map(0).ok_or("no input map")?.update(&0u32.to_ne_bytes(), input).map_err(error)?;
    loaded.run_begin().map_err(error)?;
    let output = map(&loaded, 1, 0)?;
    let mut cells = Vec::new();
    for key in 0..4 {
        cells.extend(map(&loaded, 2, key)?);
    }
    Ok((output, cells))
}
