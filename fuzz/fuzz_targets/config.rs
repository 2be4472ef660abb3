//! Fuzzes `onrush_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    onrush_fuzz::config(data);
});
