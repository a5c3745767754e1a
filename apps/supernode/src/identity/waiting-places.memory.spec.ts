import { describe } from '@jest/globals';
import { waitingPlacesContract } from './testing/waiting-places.contract.ts';
import { SoleWaitingPlaces } from './waiting-places.memory.ts';

describe('SoleWaitingPlaces', () => waitingPlacesContract((self) => new SoleWaitingPlaces(self)));
