import { MessageBody } from '@nestjs/websockets';
import type { RequestOf, ResponseOf } from '@parley/protocol';
import { DirectoryService } from '../directory/directory.service.ts';
import { ResourceIndexService } from '../directory/resource-index.service.ts';
import type { Caller } from '../identity/caller.ts';
import { EdgeGateway, FromCaller, OnRequest } from './edge-gateway.decorator.ts';
import { StormAdmission } from './storm-admission.ts';

/** Look-up and search of users, and the index of resources. */
@EdgeGateway()
export class DirectoryGateway {
  constructor(
    private readonly directory: DirectoryService,
    private readonly resources: ResourceIndexService,
    private readonly admission: StormAdmission,
  ) {}

  @OnRequest('directory.lookup')
  lookup(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'directory.lookup'>,
  ): Promise<ResponseOf<'directory.lookup'>> {
    return this.directory.lookup(caller, request);
  }

  @OnRequest('directory.search')
  search(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'directory.search'>,
  ): Promise<ResponseOf<'directory.search'>> {
    return this.admission.run('search', () => this.directory.search(caller, request));
  }

  @OnRequest('directory.update')
  update(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'directory.update'>,
  ): Promise<ResponseOf<'directory.update'>> {
    return this.directory.update(caller, request);
  }

  @OnRequest('resource.announce')
  announce(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'resource.announce'>,
  ): Promise<ResponseOf<'resource.announce'>> {
    return this.resources.announce(caller, request);
  }

  @OnRequest('resource.withdraw')
  withdraw(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'resource.withdraw'>,
  ): Promise<ResponseOf<'resource.withdraw'>> {
    return this.resources.withdraw(caller, request);
  }

  @OnRequest('resource.find')
  find(
    @FromCaller() caller: Caller,
    @MessageBody() request: RequestOf<'resource.find'>,
  ): Promise<ResponseOf<'resource.find'>> {
    return this.resources.find(caller, request);
  }
}
