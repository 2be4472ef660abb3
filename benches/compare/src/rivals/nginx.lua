-- One reservation: JSON in, one EVALSHA over a pooled connection, JSON out. Filled in: @…@.
ngx.req.read_body()
local ask = cjson.decode(ngx.req.get_body_data() or '')
local status, body = 400, '{"code":"invalid_request"}'
if ask and ask.sku and ask.buyer and ask.key then
  local redis = ngx.socket.tcp()
  local ok, err = redis:connect('@host@', @port@)
  if not ok then
    ngx.log(ngx.ERR, err)
    return ngx.exit(502)
  end
  local stock, buyers, orders = 'stock:' .. ask.sku, 'buyers:' .. ask.sku, 'orders:' .. ask.sku
  redis:send({
    '*8\r\n$7\r\nEVALSHA\r\n$40\r\n@sha@\r\n$1\r\n3\r\n',
    '$', #stock, '\r\n', stock, '\r\n$', #buyers, '\r\n', buyers, '\r\n$', #orders, '\r\n', orders,
    '\r\n$', #ask.buyer, '\r\n', ask.buyer, '\r\n$', #ask.key, '\r\n', ask.key, '\r\n',
  })
  local line, err = redis:receive()
  if not line then
    ngx.log(ngx.ERR, err)
    return ngx.exit(502)
  end
  redis:setkeepalive()
  local outcome, id = line:match('^%+([%l_]+) ?(%d*)$')
  if outcome == 'held' or outcome == 'repeat' then
    status = outcome == 'held' and 201 or 200
    body = '{"id":' .. id .. ',"buyer":"' .. ask.buyer .. '","state":"held"}'
  elseif outcome then
    status, body = 409, '{"code":"' .. outcome .. '"}'
  else
    ngx.log(ngx.ERR, line)
    return ngx.exit(502)
  end
end
ngx.status = status
ngx.header['content-type'] = 'application/json'
ngx.header['content-length'] = #body
ngx.print(body)
