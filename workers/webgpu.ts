/** What the engine loads when a model may run on a GPU: the choice of the device, and the kernels. */
export { placeModel } from '../src/backend/ladder/place.ts';
