//! Compiles the protos with protox, so that no `protoc` is needed.

use std::path::PathBuf;

use prost_types::field_descriptor_proto::Type;
use protox::prost::Message;

/// Messages that come once for every event of a batch, to be taken apart at once. Their texts
/// are slices of the message to the generated code, as `bytes` are (on the wire both are the
/// same), instead of a `String` each; whoever reads one checks that it is UTF-8.
const PER_EVENT: [&str; 8] = [
    "weir.activity.v1.ActivityEvent",
    "weir.activity.v1.IdentifierLink",
    "weir.audience.v1.MembershipUpdate",
    "weir.contact.v1.ContactEvent",
    "weir.contact.v1.UpsertResult",
    "weir.mapping.v1.Event",
    "weir.mapping.v1.Mapped",
    "weir.mapping.v1.MappedActivity",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=weir");
    let mut descriptors = protox::compile(protos()?, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("weir.bin"), descriptors.encode_to_vec())?;
    // Reflection tells what the protos say; only the code differs.
    for file in &mut descriptors.file {
        let package = file.package().to_owned();
        let messages = file.message_type.iter_mut();
        messages
            .filter(|message| PER_EVENT.contains(&&*format!("{package}.{}", message.name())))
            .flat_map(|message| &mut message.field)
            .filter(|field| field.r#type() == Type::String)
            .for_each(|field| field.set_type(Type::Bytes));
    }
    tonic_prost_build::configure()
        .bytes(".weir")
        .compile_fds(descriptors)?;
    Ok(())
}

/// All files of all packages: a package may have several.
fn protos() -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for package in std::fs::read_dir("weir")? {
        for file in std::fs::read_dir(package?.path().join("v1"))? {
            files.push(file?.path());
        }
    }
    files.sort();
    Ok(files)
}
