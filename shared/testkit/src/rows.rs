//! Mapping's rows, where what a row says is what its fields become.

use tonic::{Request, Response, Status};
use weir_proto::mapping::v1::row_service_server::RowService;
use weir_proto::mapping::v1::{
    ContactSettings, MapRowsRequest, MapRowsResponse, MappedRow, MappedTraits,
};
use weir_proto::settings::v1::{KeyStrategy, MergeStrategy};

/// Maps each row to itself, under the settings of a new account.
pub struct AsTheyAre;

#[tonic::async_trait]
impl RowService for AsTheyAre {
    async fn map_rows(
        &self,
        request: Request<MapRowsRequest>,
    ) -> Result<Response<MapRowsResponse>, Status> {
        let request = request.into_inner();
        let row = |traits: &[u8]| {
            let is_empty = traits == b"{}";
            MappedRow {
                fields_json: match is_empty {
                    true => String::new(),
                    false => String::from_utf8_lossy(traits).into_owned(),
                },
                traits: match is_empty {
                    true => MappedTraits::None.into(),
                    false => MappedTraits::Values.into(),
                },
                ignored: Vec::new(),
            }
        };
        Ok(Response::new(MapRowsResponse {
            blocked_values: None,
            contact_settings: Some(ContactSettings {
                unique_identifiers: vec!["str::email".to_owned()],
                key_strategy: KeyStrategy::Any.into(),
                merge_strategy: MergeStrategy::Overwrite.into(),
                ..Default::default()
            }),
            entitlement: None,
            results: request.traits.iter().map(|traits| row(traits)).collect(),
            unknown_field_ids: {
                let nothing = |id: &String| id.ends_with("::nothing");
                request.field_ids.into_iter().filter(nothing).collect()
            },
        }))
    }
}
