//! Reading and changing maps.

use std::collections::BTreeMap;

use stapes_bpf::{MapKind, Object};
use stapes_kernel::{Features, Loaded, Method};

use super::support::{can_load, count_role, load, map};

fn one_map(kind: MapKind, key_size: u32, value_size: u32, entries: u32) -> Loaded {
    let maps = vec![map("@", kind, key_size, value_size, entries, count_role())];
    load(Object { maps, ..Object::default() }, Method::Auto)
}

/// A key and value made from a number: the value's CPUs differ, so that none can be mistaken for another.
fn sample(loaded: &Loaded, number: u64) -> (Vec<u8>, Vec<u8>) {
    let handle = loaded.map(0).unwrap();
    let mut key = number.to_ne_bytes().to_vec();
    key.resize(handle.description().key_size as usize, 7);
    let words = handle.value_size() as u64 / 8;
    let value = (0..words).flat_map(|w| (number * 1000 + w).to_ne_bytes()).collect();
    (key, value)
}

#[test]
fn hashes_are_read_whole() {
    let Some(_alone) = can_load("hashes_are_read_whole") else { return };
    for kind in [MapKind::Hash, MapKind::PerCpuHash, MapKind::LruHash] {
        let loaded = one_map(kind, 24, 16, 30_000);
        let handle = loaded.map(0).unwrap();
        assert!(handle.entries().unwrap().is_empty());
        let expected: BTreeMap<_, _> = (0..10_000).map(|n| sample(&loaded, n)).collect();
        for (key, value) in &expected {
            handle.update(key, value).unwrap();
        }
        let entries = handle.entries().unwrap();
        assert_eq!(entries.len(), 10_000);
        let got: BTreeMap<_, _> = entries.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        assert!(got == expected, "{kind:?}");

        let (key, value) = sample(&loaded, 5);
        assert_eq!(handle.get(&key).unwrap(), Some(value));
        assert!(handle.delete(&key).unwrap());
        assert!(!handle.delete(&key).unwrap());
        assert_eq!(handle.get(&key).unwrap(), None);

        handle.zero().unwrap();
        let zeroed = handle.entries().unwrap();
        assert_eq!(zeroed.len(), 9_999);
        assert!(zeroed.iter().all(|(_, v)| v.iter().all(|b| *b == 0)));

        assert_eq!(handle.take().unwrap().len(), 9_999);
        assert!(handle.entries().unwrap().is_empty(), "{kind:?}");
        handle.clear().unwrap();
    }
}

#[test]
fn arrays_are_read_whole() {
    let Some(_alone) = can_load("arrays_are_read_whole") else { return };
    for kind in [MapKind::Array, MapKind::PerCpuArray] {
        let loaded = one_map(kind, 4, 8, 10);
        let handle = loaded.map(0).unwrap();
        let (_, value) = sample(&loaded, 3);
        handle.update(&3u32.to_ne_bytes(), &value).unwrap();
        let entries = handle.entries().unwrap();
        assert_eq!(entries.len(), 10);
        for (index, (key, got)) in (0u32..).zip(entries.iter()) {
            assert_eq!(key, index.to_ne_bytes());
            assert_eq!(got == value, index == 3, "{kind:?} {index}");
        }
        handle.clear().unwrap();
        assert!(handle.entries().unwrap().iter().all(|(_, v)| v.iter().all(|b| *b == 0)));
        assert_eq!(handle.get(&10u32.to_ne_bytes()).unwrap(), None);
    }
}

#[test]
fn per_cpu_values_have_one_padded_piece_per_possible_cpu() {
    let Some(_alone) = can_load("per_cpu_values_have_one_padded_piece_per_possible_cpu") else { return };
    let cpus = Features::detect().possible_cpus() as usize;
    let loaded = one_map(MapKind::PerCpuArray, 4, 12, 1);
    let handle = loaded.map(0).unwrap();
    assert_eq!((handle.stride(), handle.value_size()), (16, 16 * cpus));
    assert_eq!(handle.get(&[0; 4]).unwrap().unwrap().len(), 16 * cpus);
}

#[test]
fn wrong_sizes_are_errors() {
    let Some(_alone) = can_load("wrong_sizes_are_errors") else { return };
    let loaded = one_map(MapKind::Hash, 8, 8, 10);
    let handle = loaded.map(0).unwrap();
    assert!(handle.get(&[0; 4]).is_err());
    assert!(handle.update(&[0; 8], &[0; 7]).is_err());
    assert!(loaded.map(1).is_none());
    let full = (0..11u64).map(|n| handle.update(&n.to_ne_bytes(), &[0; 8])).find_map(Result::err).unwrap();
    assert_eq!(full.to_string(), "BPF_MAP_UPDATE_ELEM of `@`: argument list too long (E2BIG)");
}
