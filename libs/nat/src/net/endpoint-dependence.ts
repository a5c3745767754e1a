/** RFC 4787 sections 4.1 and 5: what of a remote endpoint the mapping, or the filtering, of a NAT depends on. */
export type EndpointDependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';
