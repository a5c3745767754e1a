export { type LabAvailability, labAvailability, type Privilege } from './availability.ts';
export { NAT_BEHAVIOURS, type NatBehaviour } from './behaviour.ts';
export type { LabCounters, RouterCounters, Traffic, TwoWayTraffic } from './counters.ts';
export type { Impairment } from './delay-line.ts';
export { LabError, type LabErrorCode } from './errors.ts';
export { createLab, type Lab, type LabOptions } from './lab.ts';
export { LoopbackBridge } from './loopback-bridge.ts';
export type { MappingChurn, MappingChurnOptions } from './mapping-churn.ts';
export type { CarrierOptions, LabCarrier, LabClient, LabSide, SideOptions } from './topology.ts';
