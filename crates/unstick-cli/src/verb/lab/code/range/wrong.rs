//! `as` cuts off what does not fit, and turns -1 into 2^64 - 1
pub fn write_length(length: u64) -> [u8; 4] {
    (length as u32).to_be_bytes()
}

pub fn read_length(header: [u8; 4]) -> usize {
    i32::from_be_bytes(header) as usize
}
