//! Compiles the protos with protox, so that no `protoc` is needed, and writes down what each RPC
//! needs of its caller, and which of them answer page by page.

#[path = "build/needs.rs"]
mod needs;
#[path = "build/paged.rs"]
mod paged;

use std::path::{Path, PathBuf};
use std::{fs, io};

use prost_types::field_descriptor_proto::Type;
use protox::prost_reflect;

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
    println!("cargo:rerun-if-changed=build");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(protos(Path::new("weir"))?)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // With its options, which the types of prost forget.
    let described = compiler.encode_file_descriptor_set();
    fs::write(out.join("weir.bin"), described)?;
    let pool = compiler.descriptor_pool();
    fs::write(out.join("needs.rs"), needs::table(&pool)?)?;
    fs::write(out.join("paged.rs"), paged::table(&pool))?;
    let mut descriptors = compiler.file_descriptor_set();
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

/// All that are in a folder and below, the same order each time.
fn protos(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            found.extend(protos(&entry)?);
        } else if entry.extension().is_some_and(|kind| kind == "proto") {
            found.push(entry);
        }
    }
    Ok(found)
}
