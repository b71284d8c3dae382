//! The program `unstick`.

fn main() {}
