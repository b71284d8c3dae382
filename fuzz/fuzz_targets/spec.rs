//! Any text as a framing spec: it parses or it is refused with a reason, and nothing else happens.
#![no_main]

libfuzzer_sys::fuzz_target!(|spec: &str| {
    if let Err(error) = unstick_wire::Framing::parse(spec) {
        assert!(!error.to_string().is_empty(), "a refusal without a reason");
    }
});
