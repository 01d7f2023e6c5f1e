//! What a path takes.

use ::http::Method;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// And HEAD.
    Get,
    Post,
    Put,
    /// GET, for pages of other origins too: their browsers ask first.
    GetFromPages,
    /// As well.
    PostFromPages,
}

impl Methods {
    /// As the header of this name has it.
    pub fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::GetFromPages => "GET, HEAD, OPTIONS",
            Self::PostFromPages => "POST, OPTIONS",
        }
    }

    /// For a status line.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Get | Self::GetFromPages => "This path takes GET",
            Self::Post | Self::PostFromPages => "This path takes POST",
            Self::Put => "This path takes PUT",
        }
    }

    pub fn allows(self, method: &Method) -> bool {
        self.allow().split(", ").any(|one| one == method.as_str())
    }
}
