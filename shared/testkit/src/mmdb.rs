//! Small databases in MaxMind's format: IPv4 networks and the places they are in. Only what a
//! reader needs; the format is at <https://maxmind.github.io/MaxMind-DB/>.

/// A network, `203.0.113.0/24`, and its place; an empty part is not in the database.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    pub network: &'static str,
    pub country: &'static str,
    pub region: &'static str,
    pub city: &'static str,
    pub postal: &'static str,
}

/// A search tree of 24-bit records, the data, and what describes both.
pub fn mmdb(networks: &[Network]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut tree = Tree::default();
    for network in networks {
        tree.insert(network.network, data.len());
        write_place(network, &mut data);
    }
    let mut bytes = tree.bytes();
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    write_map(9, &mut bytes);
    write_entry("binary_format_major_version", 5, 2, &mut bytes);
    write_entry("binary_format_minor_version", 5, 0, &mut bytes);
    write_entry("build_epoch", 9, 1_752_127_740, &mut bytes);
    write_text("database_type", &mut bytes);
    write_text("Weir-Test-City", &mut bytes);
    write_text("description", &mut bytes);
    write_map(0, &mut bytes);
    write_entry("ip_version", 5, 4, &mut bytes);
    write_text("languages", &mut bytes);
    write_control(11, 0, &mut bytes);
    let nodes = u64::try_from(tree.nodes.len()).unwrap();
    write_entry("node_count", 6, nodes, &mut bytes);
    write_entry("record_size", 5, 24, &mut bytes);
    bytes
}

/// Where a bit leads.
#[derive(Debug, Clone, Copy, Default)]
enum Record {
    #[default]
    Nothing,
    Node(usize),
    /// Where its place begins in the data.
    Place(usize),
}

#[derive(Debug)]
struct Tree {
    nodes: Vec<[Record; 2]>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![[Record::Nothing; 2]],
        }
    }
}

impl Tree {
    fn insert(&mut self, network: &str, place: usize) {
        let (address, length) = network.split_once('/').unwrap();
        let address = u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
        let length: u32 = length.parse().unwrap();
        let bit = |depth: u32| (address >> (31 - depth) & 1) as usize;
        let mut node = 0;
        for depth in 0..length - 1 {
            let next = match self.nodes[node][bit(depth)] {
                Record::Node(next) => next,
                _ => {
                    self.nodes.push([Record::Nothing; 2]);
                    self.nodes.len() - 1
                }
            };
            self.nodes[node][bit(depth)] = Record::Node(next);
            node = next;
        }
        self.nodes[node][bit(length - 1)] = Record::Place(place);
    }

    fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let value = |record: Record| match record {
            Record::Nothing => count,
            Record::Node(node) => node,
            Record::Place(at) => count + 16 + at,
        };
        let records = self.nodes.iter().flatten();
        records
            .flat_map(|record| {
                let [.., a, b, c] = value(*record).to_be_bytes();
                [a, b, c]
            })
            .collect()
    }
}

fn write_place(network: &Network, out: &mut Vec<u8>) {
    let parts = [
        network.country,
        network.region,
        network.city,
        network.postal,
    ];
    write_map(parts.iter().filter(|part| !part.is_empty()).count(), out);
    let named = |name: &str, out: &mut Vec<u8>| {
        write_map(1, out);
        write_text("names", out);
        write_map(2, out);
        write_text("de", out);
        write_text("Irgendwo", out);
        write_text("en", out);
        write_text(name, out);
    };
    if !network.country.is_empty() {
        write_text("country", out);
        named(network.country, out);
    }
    if !network.region.is_empty() {
        write_text("subdivisions", out);
        write_control(11, 1, out);
        named(network.region, out);
    }
    if !network.city.is_empty() {
        write_text("city", out);
        named(network.city, out);
    }
    if !network.postal.is_empty() {
        write_text("postal", out);
        write_map(1, out);
        write_text("code", out);
        write_text(network.postal, out);
    }
}

fn write_entry(key: &str, kind: u8, number: u64, out: &mut Vec<u8>) {
    write_text(key, out);
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    write_control(kind, bytes.len() - zeros, out);
    out.extend(&bytes[zeros..]);
}

fn write_map(entries: usize, out: &mut Vec<u8>) {
    write_control(7, entries, out);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_control(2, text.len(), out);
    out.extend(text.as_bytes());
}

/// The type of what follows and its size, which is below 285 here. Types beyond the seventh have
/// a byte of their own.
fn write_control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (low, more) = match size {
        0..29 => (size, None),
        _ => (29, Some(u8::try_from(size - 29).unwrap())),
    };
    let low = u8::try_from(low).unwrap();
    match kind {
        0..=7 => out.push(kind << 5 | low),
        _ => out.extend([low, kind - 7]),
    }
    out.extend(more);
}
