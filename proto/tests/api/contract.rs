//! The protos, with their comments and options.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor,
    MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

pub struct Contract {
    pub pool: DescriptorPool,
    /// By file and path of what they stand at.
    comments: HashMap<(String, Vec<i32>), String>,
}

impl Contract {
    /// All of `proto/weir`, as the build made it.
    pub fn read() -> Self {
        let pool = DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap();
        let comments = pool.files().flat_map(|file| comments(&file)).collect();
        Self { pool, comments }
    }

    /// Ours, by package and then as they stand there: a package's main one first.
    pub fn services(&self) -> Vec<ServiceDescriptor> {
        let ours = |service: &ServiceDescriptor| service.full_name().starts_with("weir.");
        let mut services: Vec<_> = self.pool.services().filter(ours).collect();
        services.sort_by_key(|service| {
            let package = service.package_name().to_owned();
            let main = format!("{}.proto", short(&package));
            let file = service.parent_file().name().to_owned();
            (rank(&package), package, !file.ends_with(&main), file)
        });
        services
    }

    pub fn comment_of_service(&self, service: &ServiceDescriptor) -> String {
        self.comment(&service.parent_file(), service.path())
    }

    pub fn comment_of_method(&self, method: &MethodDescriptor) -> String {
        self.comment(&method.parent_service().parent_file(), method.path())
    }

    pub fn comment_of_message(&self, message: &MessageDescriptor) -> String {
        self.comment(&message.parent_file(), message.path())
    }

    pub fn comment_of_field(&self, field: &FieldDescriptor) -> String {
        self.comment(&field.parent_message().parent_file(), field.path())
    }

    pub fn comment_of_enum(&self, kind: &EnumDescriptor) -> String {
        self.comment(&kind.parent_file(), kind.path())
    }

    pub fn comment_of_value(&self, value: &EnumValueDescriptor) -> String {
        self.comment(&value.parent_enum().parent_file(), value.path())
    }

    fn comment(&self, file: &FileDescriptor, path: &[i32]) -> String {
        let key = (file.name().to_owned(), path.to_vec());
        self.comments.get(&key).cloned().unwrap_or_default()
    }
}

/// `contact` of `weir.contact.v1`.
pub fn short(package: &str) -> &str {
    package.split('.').nth(1).unwrap_or(package)
}

/// Those that internal teams call come first.
fn rank(package: &str) -> usize {
    let order = ["mapping", "contact", "activity", "audience", "quota"];
    let found = order.iter().position(|name| *name == short(package));
    found.unwrap_or(order.len())
}

fn comments(file: &FileDescriptor) -> Vec<((String, Vec<i32>), String)> {
    let proto = file.file_descriptor_proto();
    let locations = proto
        .source_code_info
        .iter()
        .flat_map(|info| &info.location);
    locations
        .filter_map(|location| {
            let text = location.leading_comments.as_deref()?;
            Some((
                (file.name().to_owned(), location.path.clone()),
                joined(text),
            ))
        })
        .collect()
}

/// Its lines as paragraphs.
fn joined(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty());
    let paragraphs: Vec<String> = paragraphs
        .filter(|lines| !lines.is_empty())
        .map(|lines| lines.join(" "))
        .collect();
    paragraphs.join("\n\n")
}
