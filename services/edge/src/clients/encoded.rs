//! Calls whose messages were encoded before (see `wire`): every try sends the same bytes.

use std::marker::PhantomData;

use bytes::{BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::{Request, Response, Status};
use tonic_prost::ProstDecoder;
use weir_rpc::{Channel, MAX_MESSAGE};

/// What a generated client does, but for encoding.
pub(super) async fn send<A>(
    channel: &Channel,
    path: &'static str,
    request: Request<Bytes>,
) -> Result<Response<A>, Status>
where
    A: prost::Message + Default + 'static,
{
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
    client
        .ready()
        .await
        .map_err(|error| Status::unknown(format!("the channel is not ready: {error}")))?;
    let path = PathAndQuery::from_static(path);
    client.unary(request, path, Encoded(PhantomData)).await
}

/// Bytes out, an `A` in.
struct Encoded<A>(PhantomData<A>);

impl<A: prost::Message + Default + 'static> Codec for Encoded<A> {
    type Encode = Bytes;
    type Decode = A;
    type Encoder = Verbatim;
    type Decoder = ProstDecoder<A>;

    fn encoder(&mut self) -> Verbatim {
        Verbatim
    }

    fn decoder(&mut self) -> ProstDecoder<A> {
        ProstDecoder::default()
    }
}

struct Verbatim;

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // At once, instead of growing on the way.
        buffer.reserve(message.len());
        buffer.put(message);
        Ok(())
    }
}
