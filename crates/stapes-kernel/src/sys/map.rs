//! bpf(2) for maps: a [`MapFd`] knows the sizes that the kernel will read and write, so its functions are
//! safe.

use std::io::{Error, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::bpf::{Command, bpf, bpf_fd, object_name};

/// `BPF_F_RDONLY_PROG`: programs may not write; with a frozen map the verifier reads the values as constants.
const READ_ONLY_FOR_PROGRAMS: u32 = 1 << 7;

/// What to create.
pub(crate) struct MapCreate<'a> {
    pub(crate) map_type: u32,
    pub(crate) name: &'a str,
    pub(crate) key_size: u32,
    /// Bytes per value and CPU.
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) read_only_for_programs: bool,
    /// For a map with a value per CPU, the number of possible CPUs; else 1.
    pub(crate) values: u32,
}

/// A map in the kernel.
#[derive(Debug)]
pub(crate) struct MapFd {
    fd: OwnedFd,
    key_size: usize,
    value_size: usize,
}

/// The part of `union bpf_attr` for one element.
#[repr(C)]
struct Element {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// How far a batched read has come; the kernel keeps its place in it.
#[derive(Default)]
pub(crate) struct BatchPlace {
    /// At least 4 bytes, and at least a key for maps that keep a key there.
    token: Vec<u64>,
    started: bool,
}

impl MapFd {
    /// `BPF_MAP_CREATE`.
    pub(crate) fn create(map: &MapCreate<'_>) -> Result<MapFd> {
        #[repr(C)]
        #[derive(Default)]
        struct Attr {
            map_type: u32,
            key_size: u32,
            value_size: u32,
            max_entries: u32,
            map_flags: u32,
            inner_map_fd: u32,
            numa_node: u32,
            map_name: [u8; 16],
        }
        let mut attr = Attr {
            map_type: map.map_type,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            map_flags: if map.read_only_for_programs { READ_ONLY_FOR_PROGRAMS } else { 0 },
            map_name: object_name(map.name),
            ..Attr::default()
        };
        // SAFETY: the attribute has no addresses.
        let fd = unsafe { bpf_fd(Command::MapCreate, &mut attr) }?;
        // The kernel pads the value of each CPU to 8 bytes, and only those of maps with a value per CPU.
        let value_size = match map.values {
            1 => map.value_size as usize,
            n => (map.value_size as usize).next_multiple_of(8) * n as usize,
        };
        Ok(MapFd { fd, key_size: map.key_size as usize, value_size })
    }

    /// Bytes of one value as the kernel hands it out: those of all CPUs, each padded to 8, for a map per CPU.
    pub(crate) fn value_size(&self) -> usize {
        self.value_size
    }

    fn element(&self, key: &[u8], value: u64) -> Result<Element> {
        if key.len() != self.key_size {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        Ok(Element {
            map_fd: self.fd.as_raw_fd() as u32,
            padding: 0,
            key: key.as_ptr() as u64,
            value,
            flags: 0,
        })
    }

    /// `BPF_MAP_LOOKUP_ELEM`; `None` without such a key.
    pub(crate) fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.value_size];
        let mut attr = self.element(key, value.as_mut_ptr() as u64)?;
        // SAFETY: key and value are as long as the map's, which `create` recorded.
        match unsafe { bpf(Command::MapLookup, &mut attr) } {
            Ok(_) => Ok(Some(value)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// `BPF_MAP_UPDATE_ELEM`, whether the key is there or not.
    pub(crate) fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if value.len() != self.value_size {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        let mut attr = self.element(key, value.as_ptr() as u64)?;
        // SAFETY: key and value are as long as the map's; the kernel only reads them.
        unsafe { bpf(Command::MapUpdate, &mut attr) }.map(drop)
    }

    /// `BPF_MAP_DELETE_ELEM`; whether the key was there.
    pub(crate) fn delete(&self, key: &[u8]) -> Result<bool> {
        let mut attr = self.element(key, 0)?;
        // SAFETY: the key is as long as the map's.
        match unsafe { bpf(Command::MapDelete, &mut attr) } {
            Ok(_) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// `BPF_MAP_GET_NEXT_KEY`; without `key` the first one, `None` after the last.
    pub(crate) fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let mut next = vec![0; self.key_size];
        let mut attr = self.element(key.unwrap_or(&next.clone()), next.as_mut_ptr() as u64)?;
        if key.is_none() {
            attr.key = 0;
        }
        // SAFETY: both keys are as long as the map's; the kernel takes a null one for "before the first".
        match unsafe { bpf(Command::MapNextKey, &mut attr) } {
            Ok(_) => Ok(Some(next)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// `BPF_MAP_LOOKUP_BATCH` or `BPF_MAP_LOOKUP_AND_DELETE_BATCH`: the next elements, at most as many as
    /// fit both buffers.
    ///
    /// Gives how many were written and whether there are more.
    /// `ENOSPC`: one bucket of the hash table alone needs larger buffers, nothing was written.
    pub(crate) fn lookup_batch(
        &self,
        place: &mut BatchPlace,
        keys: &mut [u8],
        values: &mut [u8],
        delete: bool,
    ) -> Result<(usize, bool)> {
        #[repr(C)]
        struct Attr {
            in_batch: u64,
            out_batch: u64,
            keys: u64,
            values: u64,
            count: u32,
            map_fd: u32,
            elem_flags: u64,
            flags: u64,
        }
        let room = (keys.len() / self.key_size.max(1)).min(values.len() / self.value_size.max(1));
        if place.token.is_empty() {
            place.token = vec![0; self.key_size.div_ceil(8).max(1)];
        }
        let mut next = place.token.clone();
        let mut attr = Attr {
            in_batch: if place.started { place.token.as_ptr() as u64 } else { 0 },
            out_batch: next.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(room).unwrap_or(u32::MAX),
            map_fd: self.fd.as_raw_fd() as u32,
            elem_flags: 0,
            flags: 0,
        };
        let command = if delete { Command::MapLookupAndDeleteBatch } else { Command::MapLookupBatch };
        // SAFETY: the buffers hold `count` keys and values of the map's sizes, and the places a key each.
        match unsafe { bpf(command, &mut attr) } {
            Ok(_) => {
                place.token = next;
                place.started = true;
                Ok((attr.count as usize, true))
            }
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok((attr.count as usize, false)),
            Err(e) => Err(e),
        }
    }

    /// `BPF_MAP_FREEZE`: no more changes from user space.
    pub(crate) fn freeze(&self) -> Result<()> {
        #[repr(C)]
        struct Attr {
            map_fd: u32,
        }
        let mut attr = Attr { map_fd: self.fd.as_raw_fd() as u32 };
        // SAFETY: the attribute has no addresses.
        unsafe { bpf(Command::MapFreeze, &mut attr) }.map(drop)
    }
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
