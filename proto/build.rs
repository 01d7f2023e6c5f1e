//! Compiles the protos with protox, so that no `protoc` is needed, and writes down what each RPC
//! needs of its caller.

#[path = "build/needs.rs"]
mod needs;

use std::path::PathBuf;

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

/// Services of their own beside the main one of their package.
const FURTHER: [&str; 18] = [
    "weir/access/v1/changes.proto",
    "weir/access/v1/tokens.proto",
    "weir/activity/v1/history.proto",
    "weir/activity/v1/people.proto",
    "weir/audience/v1/memberships.proto",
    "weir/audience/v1/people.proto",
    "weir/contact/v1/identity.proto",
    "weir/contact/v1/people.proto",
    "weir/contact/v1/search.proto",
    "weir/contact/v1/transfer.proto",
    "weir/mapping/v1/alerts.proto",
    "weir/mapping/v1/configuration.proto",
    "weir/mapping/v1/log.proto",
    "weir/mapping/v1/people.proto",
    "weir/mapping/v1/preview.proto",
    "weir/mapping/v1/replay.proto",
    "weir/mapping/v1/rows.proto",
    "weir/mapping/v1/story.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=weir");
    println!("cargo:rerun-if-changed=build");
    let packages = [
        "mapping", "contact", "activity", "audience", "quota", "ledger", "settings", "erasure",
    ];
    let files = packages.map(|package| format!("weir/{package}/v1/{package}.proto"));
    let files = files.into_iter().chain(FURTHER.map(str::to_owned));
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // With its options, which the types of prost forget.
    let described = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("weir.bin"), described)?;
    std::fs::write(
        out.join("needs.rs"),
        needs::table(&compiler.descriptor_pool())?,
    )?;
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
