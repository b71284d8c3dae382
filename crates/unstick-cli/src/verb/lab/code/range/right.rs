//! unsigned, and nobody makes you wait for 4 GiB
const LIMIT: u64 = 16 * 1024 * 1024;

pub fn write_length(length: u64) -> Option<[u8; 4]> {
    let short = u32::try_from(length).ok()?;
    (length <= LIMIT).then_some(short.to_be_bytes())
}

pub fn read_length(header: [u8; 4]) -> Option<usize> {
    let length = u64::from(u32::from_be_bytes(header));
    (length <= LIMIT).then_some(length as usize)
}
