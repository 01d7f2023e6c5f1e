//! Data sources, their keys and samples.

use weir_proto::mapping::v1 as wire;
use weir_proto::settings::v1::MergeStrategy;

use super::account::nothing;
use super::convert::{self, time};
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::model::{Kind, Mail, Merging, Sample, Source, SourceKey, Status};

impl Calls {
    pub async fn sources(&self, account: &str) -> Answer<Vec<Source>> {
        let request = wire::ListSourcesRequest {
            account_id: account.to_owned(),
            page_size: 500,
            page_token: String::new(),
        };
        let answer = call!("mapping", self.mapping, list_sources, request)?;
        Ok(answer.sources.into_iter().map(source).collect())
    }

    pub async fn source(&self, account: &str, id: &str) -> Answer<Source> {
        let request = wire::GetSourceRequest {
            account_id: account.to_owned(),
            source_id: id.to_owned(),
        };
        let answer = call!("mapping", self.mapping, get_source, request)?;
        answer.source.map(source).ok_or_else(nothing)
    }

    /// Makes a source; none where there is one of that name.
    pub async fn create_source(
        &self,
        account: &str,
        source: &Source,
        wish: &str,
    ) -> Answer<Source> {
        let request = wire::PutSourceRequest {
            create_only: true,
            ..put(account, source, wish)
        };
        let answer = call!("mapping", self.mapping, put_source, request)?;
        answer.source.map(self::source).ok_or_else(nothing)
    }

    /// Changes the settings of the source of that name, which stand as they were seen; refused
    /// where anything of the account was changed since.
    pub async fn put_source(&self, account: &str, source: &Source, wish: &str) -> Answer<Source> {
        let request = wire::PutSourceRequest {
            expected_version: Some(source.settings_version),
            ..put(account, source, wish)
        };
        let answer = call!("mapping", self.mapping, put_source, request)?;
        answer.source.map(self::source).ok_or_else(nothing)
    }

    pub async fn rename_source(&self, account: &str, id: &str, name: &str) -> Answer<()> {
        let request = wire::RenameSourceRequest {
            account_id: account.to_owned(),
            source_id: id.to_owned(),
            name: name.to_owned(),
        };
        call!("mapping", self.configuration, rename_source, request)?;
        Ok(())
    }

    pub async fn delete_source(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::DeleteSourceRequest {
            account_id: account.to_owned(),
            source_id: id.to_owned(),
        };
        call!("mapping", self.configuration, delete_source, request)?;
        Ok(())
    }

    pub async fn pause_source(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::PauseSourceRequest {
            account_id: account.to_owned(),
            source_id: id.to_owned(),
        };
        call!("mapping", self.configuration, pause_source, request)?;
        Ok(())
    }

    pub async fn resume_source(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::ResumeSourceRequest {
            account_id: account.to_owned(),
            source_id: id.to_owned(),
        };
        call!("mapping", self.configuration, resume_source, request)?;
        Ok(())
    }

    /// Refused where what gives way is another version by now than the one that was seen.
    pub async fn copy_mapping(
        &self,
        account: &str,
        from: &str,
        to: &str,
        seen: Option<i64>,
    ) -> Answer<()> {
        let request = wire::CopyMappingRequest {
            account_id: account.to_owned(),
            from_source_id: from.to_owned(),
            to_source_id: to.to_owned(),
            expected_version: seen,
            ..Default::default()
        };
        call!("mapping", self.configuration, copy_mapping, request)?;
        Ok(())
    }

    pub async fn keys(&self, account: &str, source: &str) -> Answer<Vec<SourceKey>> {
        let request = wire::ListKeysRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            page_size: 500,
            page_token: String::new(),
        };
        let answer = call!("mapping", self.mapping, list_keys, request)?;
        Ok(answer.keys.into_iter().map(key).collect())
    }

    /// Gives a source a key of one's own choice.
    pub async fn create_key(&self, account: &str, source: &str, secret: &str) -> Answer<()> {
        let request = wire::CreateKeyRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            key: secret.to_owned(),
            ..Default::default()
        };
        call!("mapping", self.mapping, create_key, request)?;
        Ok(())
    }

    /// Ends a key after so many hours, and makes another one, whose secret is in the answer.
    pub async fn rotate_key(
        &self,
        account: &str,
        source: &str,
        overlap_hours: i64,
        wish: &str,
    ) -> Answer<String> {
        let request = wire::RotateKeyRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            overlap: Some(prost_types::Duration {
                seconds: overlap_hours.saturating_mul(3_600),
                nanos: 0,
            }),
            request_id: wish.to_owned(),
            ..Default::default()
        };
        let answer = call!("mapping", self.configuration, rotate_key, request)?;
        Ok(answer.secret)
    }

    pub async fn revoke_key(&self, account: &str, key: &str) -> Answer<()> {
        let request = wire::RevokeKeyRequest {
            account_id: account.to_owned(),
            key_id: key.to_owned(),
        };
        call!("mapping", self.mapping, revoke_key, request)?;
        Ok(())
    }

    /// Identifies, or tracks of this name.
    pub async fn samples(&self, account: &str, source: &str, name: &str) -> Answer<Vec<Sample>> {
        let request = wire::ListSamplesRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            event_name: name.to_owned(),
        };
        let answer = call!("mapping", self.mapping, list_samples, request)?;
        let samples = answer.samples.into_iter().map(|sample| Sample {
            time: time(sample.receive_time),
            kind: convert::kind(sample.kind()),
            event_name: sample.event_name,
            raw: sample.raw,
        });
        Ok(samples.collect())
    }
}

fn source(source: wire::Source) -> Source {
    Source {
        kind: match source.kind() {
            wire::SourceKind::SegmentClassic => Kind::Classic,
            _ => Kind::Actions,
        },
        status: match source.status() {
            wire::SourceStatus::Active => Status::Active,
            wire::SourceStatus::WaitingForMapping => Status::WaitingForMapping,
            _ => Status::WaitingForEvents,
        },
        merging: match source.merge_strategy() {
            MergeStrategy::Append => Merging::Append,
            MergeStrategy::Ignore => Merging::Ignore,
            _ => Merging::Overwrite,
        },
        mail: source.arrival_mail.map(|mail| Mail {
            state: crate::clients::more::state(mail.state()).to_owned(),
            receiver: mail.receiver,
            file: mail.file,
        }),
        id: source.source_id,
        name: source.name,
        existing_only: source.existing_only,
        mapping_version: source.mapping_version,
        settings_version: source.settings_version,
        created: time(source.create_time),
        paused: time(source.pause_time),
        allowed_origins: source.allowed_origins,
    }
}

fn key(key: wire::Key) -> SourceKey {
    SourceKey {
        id: key.key_id,
        hint: key.hint,
        created: time(key.create_time),
        revoked: time(key.revoke_time),
        expires: time(key.expire_time),
        last_used: time(key.last_use_time),
    }
}

fn put(account: &str, source: &Source, wish: &str) -> wire::PutSourceRequest {
    let origins = wire::AllowedOrigins {
        origins: source.allowed_origins.clone(),
    };
    wire::PutSourceRequest {
        account_id: account.to_owned(),
        kind: match source.kind {
            Kind::Actions => wire::SourceKind::SegmentActions,
            Kind::Classic => wire::SourceKind::SegmentClassic,
        }
        .into(),
        name: source.name.clone(),
        merge_strategy: match source.merging {
            Merging::Overwrite => MergeStrategy::Overwrite,
            Merging::Append => MergeStrategy::Append,
            Merging::Ignore => MergeStrategy::Ignore,
        }
        .into(),
        existing_only: Some(source.existing_only),
        allowed_origins: (source.kind == Kind::Classic).then_some(origins),
        request_id: wish.to_owned(),
        ..Default::default()
    }
}
