//! Reading and changing the maps of a loaded script.
//!
//! Values of maps per CPU come as one value for each *possible* CPU, each padded to 8 bytes, one after the
//! other, as bpf(2) has them. All keys of a map are read in batches (Linux 5.6 and later, per-CPU hashes
//! 5.6, arrays 5.13); the kernel walks a hash table bucket by bucket, so keys that come and go meanwhile do
//! not make it start anew.

use std::io;

use stapes_bpf::{Map, MapKind};

use crate::Error;
use crate::sys::map::{BatchPlace, MapCreate, MapFd};

/// Keys per batch at first; doubled when a bucket does not fit.
const BATCH_KEYS: usize = 4096;
/// Bytes per batch, at most, at first.
const BATCH_BYTES: usize = 1 << 20;
/// `ENOTSUPP`, which the kernel gives for batches of map types that have none.
const ENOTSUPP: i32 = 524;

/// Creates a map in the kernel, filled and frozen if it holds constants.
pub(crate) fn create(map: &Map, possible_cpus: u32) -> Result<MapFd, Error> {
    let constants = match &map.role {
        stapes_bpf::MapRole::Constants { data } => Some(data),
        _ => None,
    };
    let create = MapCreate {
        map_type: map_type(map.kind),
        name: map.name.trim_start_matches('@'),
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        read_only_for_programs: constants.is_some(),
        values: if per_cpu(map.kind) { possible_cpus } else { 1 },
    };
    let fd = MapFd::create(&create).map_err(|e| Error::new("BPF_MAP_CREATE", map.name.as_str(), &e))?;
    if let Some(data) = constants {
        let mut value = data.clone();
        value.resize(fd.value_size(), 0);
        fd.update(&0u32.to_ne_bytes(), &value)
            .map_err(|e| Error::new("BPF_MAP_UPDATE_ELEM", map.name.as_str(), &e))?;
        fd.freeze().map_err(|e| Error::new("BPF_MAP_FREEZE", map.name.as_str(), &e))?;
    }
    Ok(fd)
}

/// `enum bpf_map_type`.
fn map_type(kind: MapKind) -> u32 {
    match kind {
        MapKind::Hash => 1,
        MapKind::Array => 2,
        MapKind::PerCpuHash => 5,
        MapKind::PerCpuArray => 6,
        MapKind::LruHash => 9,
        MapKind::LruPerCpuHash => 10,
        MapKind::RingBuf => 27,
    }
}

fn per_cpu(kind: MapKind) -> bool {
    matches!(kind, MapKind::PerCpuArray | MapKind::PerCpuHash | MapKind::LruPerCpuHash)
}

fn array(kind: MapKind) -> bool {
    matches!(kind, MapKind::Array | MapKind::PerCpuArray)
}

/// One map of a loaded script.
#[derive(Clone, Copy, Debug)]
pub struct MapHandle<'a> {
    pub(crate) map: &'a Map,
    pub(crate) fd: &'a MapFd,
}

/// All keys and values of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    keys: Vec<u8>,
    values: Vec<u8>,
    key_size: usize,
    value_size: usize,
}

impl Entries {
    /// How many keys.
    pub fn len(&self) -> usize {
        self.keys.len() / self.key_size.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Each key with its value (those of all CPUs, for a map per CPU).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.keys.chunks_exact(self.key_size.max(1)).zip(self.values.chunks_exact(self.value_size.max(1)))
    }
}

impl MapHandle<'_> {
    /// What the map is.
    pub fn description(&self) -> &Map {
        self.map
    }

    /// Bytes of one value as [`get`](Self::get) gives it: for a map per CPU those of all possible CPUs.
    pub fn value_size(&self) -> usize {
        self.fd.value_size()
    }

    /// Bytes from one CPU's value to the next; the whole value where there is only one.
    pub fn stride(&self) -> usize {
        match per_cpu(self.map.kind) {
            true => (self.map.value_size as usize).next_multiple_of(8),
            false => self.fd.value_size(),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.fd.lookup(key).map_err(|e| self.error("BPF_MAP_LOOKUP_ELEM", &e))
    }

    /// Sets the value of a key; for a map per CPU, `value` has one for each.
    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.fd.update(key, value).map_err(|e| self.error("BPF_MAP_UPDATE_ELEM", &e))
    }

    /// Removes a key (of a hash map); whether it was there.
    pub fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        self.fd.delete(key).map_err(|e| self.error("BPF_MAP_DELETE_ELEM", &e))
    }

    /// All keys and values. Of an array: every index.
    pub fn entries(&self) -> Result<Entries, Error> {
        self.read(false)
    }

    /// All keys and values of a hash map, each removed as it is read: what a program adds meanwhile is
    /// either in the answer or still in the map.
    pub fn take(&self) -> Result<Entries, Error> {
        if array(self.map.kind) {
            let entries = self.read(false)?;
            self.zero()?;
            return Ok(entries);
        }
        self.read(true)
    }

    /// Removes every key of a hash map; zeroes an array, whose indices cannot be removed.
    pub fn clear(&self) -> Result<(), Error> {
        self.take().map(drop)
    }

    /// Sets every value to zero and keeps the keys.
    pub fn zero(&self) -> Result<(), Error> {
        let zero = vec![0; self.fd.value_size()];
        if array(self.map.kind) {
            return (0..self.map.max_entries).try_for_each(|index| self.update(&index.to_ne_bytes(), &zero));
        }
        self.read(false)?.iter().try_for_each(|(key, _)| self.update(key, &zero))
    }

    fn read(&self, delete: bool) -> Result<Entries, Error> {
        if self.map.kind == MapKind::RingBuf {
            return Ok(Entries::default());
        }
        let call = if delete { "BPF_MAP_LOOKUP_AND_DELETE_BATCH" } else { "BPF_MAP_LOOKUP_BATCH" };
        let result = match self.read_batches(delete) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | ENOTSUPP)) => {
                self.read_keys(delete)
            }
            other => other,
        };
        result.map_err(|e| self.error(call, &e))
    }

    fn read_batches(&self, delete: bool) -> io::Result<Entries> {
        let (key_size, value_size) = (self.map.key_size as usize, self.fd.value_size());
        let mut all = Entries { key_size, value_size, ..Entries::default() };
        let limit = self.map.max_entries as usize;
        let mut count = BATCH_KEYS.min(BATCH_BYTES / (key_size + value_size).max(1)).clamp(16, limit.max(16));
        let mut place = BatchPlace::default();
        loop {
            let filled = all.len();
            all.keys.resize((filled + count) * key_size, 0);
            all.values.resize((filled + count) * value_size, 0);
            let keys = &mut all.keys[filled * key_size..];
            let values = &mut all.values[filled * value_size..];
            let read = self.fd.lookup_batch(&mut place, keys, values, delete);
            let got = read.as_ref().map_or(0, |(got, _)| *got).min(count);
            all.keys.truncate((filled + got) * key_size);
            all.values.truncate((filled + got) * value_size);
            match read {
                Ok((_, true)) => {}
                Ok((_, false)) => return Ok(all),
                // One bucket holds more keys than the buffer.
                Err(e) if e.raw_os_error() == Some(libc::ENOSPC) && count < limit => count *= 2,
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Key by key, for kernels without batches of this map type.
    fn read_keys(&self, delete: bool) -> io::Result<Entries> {
        let mut all = Entries {
            key_size: self.map.key_size as usize,
            value_size: self.fd.value_size(),
            ..Entries::default()
        };
        // The walk starts anew when the key it stands on is removed under it: so it is bounded, and reads
        // before it removes.
        let mut key = self.fd.next_key(None)?;
        for _ in 0..u64::from(self.map.max_entries) * 2 {
            let Some(current) = key else { break };
            key = self.fd.next_key(Some(&current))?;
            if let Some(value) = self.fd.lookup(&current)? {
                all.keys.extend_from_slice(&current);
                all.values.extend_from_slice(&value);
                if delete {
                    self.fd.delete(&current)?;
                }
            }
        }
        Ok(all)
    }

    fn error(&self, call: &'static str, error: &io::Error) -> Error {
        Error::new(call, self.map.name.as_str(), error)
    }
}
