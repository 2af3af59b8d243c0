// A reverse proxy before the gateway that says which host and scheme the visitor used: here there is no TLS.
import { argument, tell } from './parent.mjs';
import { serve } from './site.mjs';

const site = await serve('localhost', {});
site.proxyTo(argument.gateway);
tell(site.origin);
