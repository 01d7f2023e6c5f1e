//! Compiles the protos with protox, so that no `protoc` is needed.

use std::path::PathBuf;

use protox::prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=weir");
    let files = ["mapping", "contact", "activity", "audience", "quota"]
        .map(|service| format!("weir/{service}/v1/{service}.proto"));
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("weir.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".weir")
        .compile_fds(descriptors)?;
    Ok(())
}
