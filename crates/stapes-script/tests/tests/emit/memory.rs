//! Memory of both interpreters: regions with addresses far apart, every access within one region.

use stapes_bpf::{Map, MapKind};

/// The address of a map's first value; its values follow each other.
pub(crate) const fn map_address(map: u32) -> u64 {
    0x1000_0000_0000 + ((map as u64) << 32)
}

/// The address that stands for the map itself.
pub(crate) const fn map_handle(map: u32) -> u64 {
    0x2000_0000_0000 + ((map as u64) << 32)
}

/// Regions of bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    regions: Vec<(u64, Vec<u8>)>,
}

impl Memory {
    /// Adds a region.
    pub(crate) fn add(&mut self, start: u64, bytes: Vec<u8>) {
        self.regions.push((start, bytes));
    }

    /// Adds the values of a map of one CPU, all zero.
    pub(crate) fn add_map(&mut self, index: u32, map: &Map) {
        assert!(matches!(map.kind, MapKind::Array | MapKind::PerCpuArray));
        let stride = map.value_size.next_multiple_of(8);
        self.add(map_address(index), vec![0; (stride * map.max_entries) as usize]);
    }

    /// The bytes from an address.
    pub(crate) fn bytes(&mut self, address: u64, length: usize) -> &mut [u8] {
        for (start, bytes) in &mut self.regions {
            if address >= *start && address - *start + length as u64 <= bytes.len() as u64 {
                let at = (address - *start) as usize;
                return &mut bytes[at..at + length];
            }
        }
        panic!("access to {length} bytes at {address:#x}, outside of all memory");
    }

    /// A little-endian number.
    pub(crate) fn load(&mut self, address: u64, length: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(self.bytes(address, length));
        u64::from_le_bytes(bytes)
    }

    /// Stores the low bytes of a number.
    pub(crate) fn store(&mut self, address: u64, length: usize, value: u64) {
        self.bytes(address, length).copy_from_slice(&value.to_le_bytes()[..length]);
    }

    /// What `bpf_map_lookup_elem` gives for an array.
    pub(crate) fn lookup(&mut self, maps: &[Map], map: u32, key: u64) -> u64 {
        let index = self.load(key, 4);
        let map_description = &maps[map as usize];
        let stride = u64::from(map_description.value_size.next_multiple_of(8));
        if index < u64::from(map_description.max_entries) { map_address(map) + index * stride } else { 0 }
    }
}
